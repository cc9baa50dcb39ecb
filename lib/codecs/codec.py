"""One object for both directions between joints and heatmaps of a top-down network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from lib.codecs.dark import dark_kernel, refine_dark, refine_udp
from lib.codecs.flip import FlipAlign, flip_fraction, merge_flipped
from lib.codecs.heatmap import (
    cells_to_image,
    encode_dark,
    encode_gaussian,
    encode_udp,
    find_peaks,
    quarter_offset,
)
from lib.codecs.integral import soft_argmax
from lib.structures.geometry import Size

CodecName = Literal["gaussian", "dark", "udp", "softargmax"]
ENCODERS = {
    "gaussian": encode_gaussian,
    "softargmax": encode_gaussian,
    "dark": encode_dark,
    "udp": encode_udp,
}


@dataclass(frozen=True)
class HeatmapCodec:
    """Joints in network-input pixels <-> heatmaps <-> joints in image pixels.

    | name | targets | decoding |
    |---|---|---|
    | gaussian | centred on the nearest cell | argmax, quarter-cell step |
    | dark | unrounded, whole map | argmax, Newton step (Zhang et al. 2020) |
    | udp | unrounded, cut at 3 sigma | argmax, Newton step, unbiased maps (Huang et al. 2020) |
    | softargmax | as gaussian | soft-argmax, quarter-cell step |

    Attributes:
        name: which of the four.
        input_size: ``(width, height)`` of the network input in pixels.
        heatmap_size: ``(width, height)`` of its heatmaps in cells.
        sigma: deviation of the targets in cells.
        post_process: whether decoding does the second step of the table.
        beta: sharpness of the soft-argmax.
        bias: subtracted from both final image coordinates (1 in the MPII files of LPN).
        kernel: odd smoothing width of the Newton step in cells; 0 derives it from ``sigma``.
    """

    name: CodecName
    input_size: Size
    heatmap_size: Size
    sigma: float
    post_process: bool = True
    beta: float = 160.0
    bias: float = 0.0
    kernel: int = 0

    def __post_init__(self) -> None:
        """Check the settings that arithmetic would not."""
        if self.name not in get_args(CodecName):
            raise ValueError(f"codec must be one of {get_args(CodecName)}, got {self.name!r}")
        if self.kernel and self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, got {self.kernel}")

    @property
    def unbiased(self) -> bool:
        """Whether lengths are measured between pixel centres; crops must be cut the same way."""
        return self.name == "udp"

    @property
    def stride(self) -> tuple[float, float]:
        """Input pixels per cell along ``(x, y)``."""
        less = int(self.unbiased)
        x, y = (
            (pixels - less) / (cells - less)
            for pixels, cells in zip(self.input_size, self.heatmap_size, strict=True)
        )
        return x, y

    def encode(self, keypoints: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Draw the targets.

        Args:
            keypoints: (N, K, 2) ``(x, y)`` in network-input pixels.
            visible: (N, K) float or bool; 0 means not annotated.

        Returns:
            heatmaps: (N, K, H, W) float32 in [0, 1].
            weights: (N, K) float32 loss weights, 0 also for joints too far outside.
        """
        x, y = keypoints.float().unbind(-1)
        cells = torch.stack([x / self.stride[0], y / self.stride[1]], dim=-1)
        return ENCODERS[self.name](cells, visible, self.heatmap_size, self.sigma)

    def decode(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        """Read joints off the maps.

        Args:
            heatmaps: (N, K, H, W) of any size; that size also scales the way back to the image.

        Returns:
            cells: (N, K, 2) float32 ``(x, y)`` in heatmap cells.
            scores: (N, K) float32 values of the maps there. Where they are <= 0 the peak decoders
                say cell (0, 0).
        """
        heatmaps = heatmaps.float()
        if self.name == "softargmax":
            cells, scores = soft_argmax(heatmaps, self.beta)
        else:
            cells, scores = find_peaks(heatmaps)
        return (self._refine(heatmaps, cells, scores) if self.post_process else cells), scores

    def _refine(self, heatmaps: Tensor, cells: Tensor, scores: Tensor) -> Tensor:
        kernel = self.kernel or dark_kernel(self.sigma)
        if self.name == "dark":
            return refine_dark(heatmaps, cells, scores, kernel)
        if self.name == "udp":
            return refine_udp(heatmaps, cells, scores, kernel)
        return quarter_offset(heatmaps, cells)

    def to_image(self, cells: Tensor, crops: Tensor, size: Size | None = None) -> Tensor:
        """Map decoded cells to image pixels.

        Args:
            cells: (N, K, 2) ``(x, y)`` from `decode`.
            crops: (N, 4) ``centre x, centre y, width, height`` in image pixels, same device.
            size: ``(width, height)`` of the decoded maps; `heatmap_size` if they had that size.
        """
        size = size or self.heatmap_size
        return cells_to_image(cells, crops, size, self.unbiased) - self.bias

    def decode_to_image(self, heatmaps: Tensor, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Return (N, K, 2) joints in image pixels and (N, K) scores; see `decode`, `to_image`."""
        cells, scores = self.decode(heatmaps)
        return self.to_image(cells, crops, (heatmaps.shape[-1], heatmaps.shape[-2])), scores

    def merge_flipped(
        self, heatmaps: Tensor, mirrored: Tensor, flip_index: Tensor, align: FlipAlign
    ) -> Tensor:
        """Average (N, K, H, W) maps with those predicted for the mirrored input.

        Args:
            heatmaps: maps of the input.
            mirrored: maps of the mirrored input, as the network gave them.
            flip_index: (K,) int64 on the same device, `Skeleton.flip_index`.
            align: none, integer (lineage) or exact; unbiased maps lie right without a shift.
        """
        fraction = 0.0 if self.unbiased else flip_fraction(align, self.stride[0])
        return merge_flipped(heatmaps, mirrored, flip_index, fraction)
