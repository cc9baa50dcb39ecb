"""What codecs of one heatmap per joint have in common; how each draws and reads is its own file."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from yacs.config import CfgNode

from lib.codecs.base import Codec, flip_align, one_tensor
from lib.utils.errors import ConfigError
from lib.utils.losses import SAMPLES

if TYPE_CHECKING:
    from torch import Tensor

    from lib.codecs.base import Output
    from lib.codecs.flip import FlipAlign
    from lib.structures.geometry import Size

C = TypeVar("C", bound="HeatmapCodec")


@dataclass(frozen=True)
class HeatmapCodec(Codec):
    """Targets are unit peaks, the loss is their squared error, joints are peaks of the maps.

    Attributes:
        input_size: ``(width, height)`` of the network input in pixels.
        heatmap_size: ``(width, height)`` of its heatmaps in cells.
        sigma: deviation of the targets in cells.
        post_process: whether decoding refines what it found (``TEST.POST_PROCESS``).
        bias: subtracted from both final image coordinates (1 in the MPII files of LPN).
        flip_align: how a mirrored-back map is moved onto the direct one.
        use_weights: whether loss weights count (``LOSS.USE_TARGET_WEIGHT``).
        factor: of the squared error (``LOSS.FACTOR``).
        top_k: learn this many worst joints of a person only (``LOSS.TOPK``); 0 learns all.
    """

    also_reads = ("LOSS.FACTOR",)
    map_sized = True

    input_size: Size
    heatmap_size: Size
    sigma: float
    post_process: bool = True
    bias: float = 0.0
    flip_align: FlipAlign = "none"
    use_weights: bool = True
    factor: float = 0.5
    top_k: int = 0

    @classmethod
    def build(cls: type[C], cfg: CfgNode) -> C:
        """Return the codec that ``MODEL``, ``LOSS`` and ``TEST`` describe."""
        return cls(**cls.settings(cfg))

    @classmethod
    def settings(cls, cfg: CfgNode) -> dict[str, Any]:
        """Return the arguments of the constructor that a configuration means."""
        loss = cfg.LOSS
        return {
            "input_size": tuple(cfg.MODEL.IMAGE_SIZE),
            "heatmap_size": tuple(cfg.MODEL.HEATMAP_SIZE),
            "sigma": cfg.MODEL.SIGMA,
            "post_process": cfg.TEST.POST_PROCESS,
            "bias": cfg.TEST.BIAS,
            "flip_align": flip_align(cfg),
            "use_weights": loss.USE_TARGET_WEIGHT,
            "factor": loss.FACTOR,
            "top_k": loss.TOPK if loss.USE_OHKM else 0,
        }

    # --- what a file of a codec defines -------------------------------------------------------

    @abstractmethod
    def draw(self, cells: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Return targets (N, K, H, W) and weights (N, K) of joints (N, K, 2) in cells."""

    @abstractmethod
    def refine(self, heatmaps: Tensor, cells: Tensor, scores: Tensor) -> Tensor:
        """Return found points (N, K, 2) moved to where they lie between cells."""

    def locate(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        """Return the points (N, K, 2) in cells before refinement, and their scores (N, K)."""
        from lib.codecs.heatmap import find_peaks

        return find_peaks(heatmaps)

    # --- the contract -------------------------------------------------------------------------

    @property
    def stride(self) -> tuple[float, float]:
        """Input pixels per cell along ``(x, y)``."""
        less = int(self.unbiased)
        x, y = (
            (pixels - less) / (cells - less)
            for pixels, cells in zip(self.input_size, self.heatmap_size, strict=True)
        )
        return x, y

    def output_shapes(self, num_joints: int) -> dict[str, tuple[int, ...]]:
        """Return one tensor of maps."""
        width, height = self.heatmap_size
        return {"heatmaps": (num_joints, height, width)}

    def encode(self, keypoints: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Draw the targets: (N, K, H, W) float32 in [0, 1]; see `Codec.encode`."""
        import torch

        # Numbers, not a tensor of them: making one would wait for the device.
        x, y = keypoints.float().unbind(-1)
        cells = torch.stack([x / self.stride[0], y / self.stride[1]], dim=-1)
        drawn = self.draw(cells, visible)
        if not (isinstance(drawn, tuple) and len(drawn) == 2):
            raise ConfigError(f"draw of {type(self).__name__} must return targets and weights.")
        return drawn

    def loss(self, output: Output, targets: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """Return the masked squared error, of the worst joints only with ``LOSS.USE_OHKM``."""
        from lib.losses.heatmap import HeatmapLoss

        criterion = HeatmapLoss(self.use_weights, self.factor, self.top_k)
        loss, people = criterion(output, targets, weights)
        return {"heatmap": loss, SAMPLES: people}

    def accuracy(self, output: Output, targets: Tensor, weights: Tensor) -> Tensor:
        """Return the share of peaks near those of the targets; see ``lib.codecs.accuracy``."""
        from lib.codecs.accuracy import heatmap_accuracy

        return heatmap_accuracy(one_tensor(output), targets)

    def merge_flipped(self, output: Output, mirrored: Output, flip_index: Tensor) -> Tensor:
        """Average the maps; unbiased ones lie right without a shift."""
        from lib.codecs.flip import flip_fraction, merge_flipped

        fraction = 0.0 if self.unbiased else flip_fraction(self.flip_align, self.stride[0])
        return merge_flipped(one_tensor(output), one_tensor(mirrored), flip_index, fraction)

    def decode(self, output: Output) -> tuple[Tensor, Tensor]:
        """Read joints off the maps.

        Args:
            output: (N, K, H, W) of any size; that size also scales the way back to the image.

        Returns:
            cells: (N, K, 2) float32 ``(x, y)`` in heatmap cells.
            scores: (N, K) float32 values of the maps there. Where they are <= 0 the peak decoders
                say cell (0, 0).
        """
        heatmaps = one_tensor(output).float()
        cells, scores = self.locate(heatmaps)
        return (self.refine(heatmaps, cells, scores) if self.post_process else cells), scores

    def decode_to_image(self, output: Output, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Return (N, K, 2) joints in image pixels and (N, K) scores, see `decode`."""
        from lib.codecs.heatmap import cells_to_image

        cells, scores = self.decode(output)
        heatmaps = one_tensor(output)
        size = (heatmaps.shape[-1], heatmaps.shape[-2])
        return cells_to_image(cells, crops, size, self.unbiased) - self.bias, scores

    @property
    def target_form(self) -> tuple[Any, ...]:
        """How the maps are drawn."""
        return (type(self).draw, self.heatmap_size, self.sigma)

    def as_targets(self, output: Output) -> Tensor:
        """Return the maps as they came."""
        return one_tensor(output).float()

    def maps(self, output: Output) -> Tensor:
        """Return the maps, cut to [0, 1]."""
        return one_tensor(output).float().clamp(0, 1)

    def describe(self) -> dict[str, Any]:
        """Return the size of the maps."""
        return {"heatmap_size": list(self.heatmap_size)}


@dataclass(frozen=True)
class NewtonCodec(HeatmapCodec):
    """Unrounded targets, refined by a Newton step on the logarithm of the smoothed map.

    Attributes:
        kernel: odd smoothing width of the step in cells; 0 derives it from ``sigma``.
    """

    kernel: int = 0

    def __post_init__(self) -> None:
        """Check the settings that arithmetic would not."""
        if self.kernel and self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, got {self.kernel}")

    @property
    def width(self) -> int:
        """The smoothing width."""
        from lib.codecs.dark import dark_kernel

        return self.kernel or dark_kernel(self.sigma)
