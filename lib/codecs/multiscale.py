"""Whole images at several scales: network sizes, the way in and out, and merging the outputs.

Cheng et al. 2020, "HigherHRNet", Sec. 3.3 and its published code. Sizes are ``(width, height)``;
maps are (B, C, H, W). Pixel and cell ``i`` are centred on coordinate ``i``; the zoom is about the
image's centre and ignores the half cell between strides, as published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int]
GRID = 64  # the smallest scale's network size is a multiple of this
ROUNDING = 1e-6  # pixels


@dataclass(frozen=True)
class View:
    """How an image is shown to the network at one scale.

    Attributes:
        size: network input ``(width, height)`` in pixels.
        centre: image pixel that falls on the middle of the input.
        extent: image pixels that the input's width covers.
    """

    size: Size
    centre: tuple[int, int]
    extent: float

    def affine_to(self, size: Size) -> np.ndarray:
        """Return the (2, 3) map from image pixels to a grid of ``size`` over the same view."""
        zoom = size[0] / self.extent
        offset = [size[axis] / 2 - zoom * self.centre[axis] for axis in (0, 1)]
        return np.array([[zoom, 0.0, offset[0]], [0.0, zoom, offset[1]]])


def view_at_scale(image_size: Size, input_size: int, scale: float, smallest: float) -> View:
    """Return the view of an image whose short side becomes ``input_size`` x ``scale`` pixels.

    Args:
        image_size: ``(width, height)`` of the image.
        input_size: length of the short side at scale 1.
        scale: one of the test scales.
        smallest: the smallest of them; at that scale both sides are rounded up to ``GRID``.
    """
    width, height = image_size
    short, long = min(image_size), max(image_size)
    short_base = int((smallest * input_size + GRID - 1) // GRID * GRID)
    long_base = int((short_base / short * long + GRID - 1) // GRID * GRID)
    short_out, long_out = (scaled_side(n, scale, smallest) for n in (short_base, long_base))
    upright = width < height
    size = (short_out, long_out) if upright else (long_out, short_out)
    extent = float(width) if upright else size[0] / size[1] * height
    return View(size, (int(width / 2 + 0.5), int(height / 2 + 0.5)), extent)


def scaled_side(base: int, scale: float, smallest: float) -> int:
    """Return how long a side of ``base`` pixels at the smallest scale is at ``scale``."""
    # 192 * 0.35 / 0.35 is 191.99999999999997 in floating point: give back what rounding took.
    return int(base * scale / smallest + ROUNDING)


def split_stages(
    outputs: Sequence[Tensor],
    num_joints: int,
    heatmap_stages: Sequence[bool],
    tag_stages: Sequence[bool],
    tag_offsets: Sequence[int],
) -> tuple[Tensor, list[Tensor]]:
    """Average the stages' heatmaps and collect their tag maps, all at the last stage's size.

    Args:
        outputs: per stage (B, C, H, W), fine last.
        num_joints: K; a stage's heatmaps are its first K channels.
        heatmap_stages: which stages' heatmaps count.
        tag_stages: which stages' tag maps count.
        tag_offsets: per stage the channel at which its tags begin.

    Returns:
        heatmaps: (B, K, H, W).
        tags: one (B, D, H, W) per stage that counts.
    """
    size = outputs[-1].shape[-2:]
    outputs = [resize(output, (size[1], size[0])) for output in outputs]
    heat = [out[:, :num_joints] for out, used in zip(outputs, heatmap_stages, strict=True) if used]
    tags = [
        out[:, offset:]
        for out, used, offset in zip(outputs, tag_stages, tag_offsets, strict=True)
        if used
    ]
    return _mean(heat), tags


def unflip_tags(tags: Tensor, flip_index: Tensor) -> Tensor:
    """Mirror tag maps (B, D, H, W) of a mirrored image back; D is K, or 1 for shared tags."""
    mirrored = tags.flip(-1)
    return mirrored.index_select(1, flip_index) if tags.shape[1] > 1 else mirrored


def resize(maps: Tensor, size: Size) -> Tensor:
    """Return (B, C, H, W) maps bilinearly resized to ``(width, height)``, corners not aligned."""
    width, height = size
    if maps.shape[-2:] == (height, width):
        return maps
    return F.interpolate(maps, size=(height, width), mode="bilinear", align_corners=False)


def merge_scales(heatmaps: Sequence[Tensor], size: Size | None = None) -> Tensor:
    """Average heatmaps (B, K, ., .) of several scales at ``size``, or at the first one's size."""
    height, width = heatmaps[0].shape[-2:]
    size = size or (width, height)
    return _mean([resize(maps, size) for maps in heatmaps])


def _mean(maps: Sequence[Tensor]) -> Tensor:
    """Return the mean of maps as contiguous memory; bits as of their stack's, which is slower."""
    total = maps[0] + maps[1] if len(maps) > 1 else maps[0].clone()
    for other in maps[2:]:
        total += other
    return total.div_(len(maps)).contiguous()
