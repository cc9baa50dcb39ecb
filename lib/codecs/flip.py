"""Averaging the heatmaps of a picture and of its mirror image (flip testing)."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

FlipAlign = Literal["none", "integer", "exact"]


def flip_back(heatmaps: Tensor, flip_index: Tensor) -> Tensor:
    """Mirror (N, K, H, W) maps of a mirrored picture back and swap left with right channels.

    Args:
        heatmaps: maps predicted for the mirrored picture.
        flip_index: (K,) int64 on the same device, `Skeleton.flip_index`.
    """
    return heatmaps.flip(-1).index_select(1, flip_index)


def shift_right(heatmaps: Tensor, fraction: float) -> Tensor:
    """Move (..., W) maps right by ``fraction`` of a cell, linearly; column 0 keeps its value."""
    if fraction == 0:
        return heatmaps
    moved = heatmaps[..., :-1]
    if fraction != 1:
        moved = torch.lerp(heatmaps[..., 1:], moved, fraction)
    return torch.cat([heatmaps[..., :1], moved], dim=-1)


def flip_fraction(align: FlipAlign, stride: float) -> float:
    """Return how far, in cells, a mirrored-back map must move right to lie on the direct one.

    A cell of a stride-s map is input pixel s i, while mirroring takes pixel x to width - 1 - x: the
    mirrored-back map lies (s - 1) / s cells too far left. ``exact`` undoes that; ``integer`` is the
    lineage's whole cell (`TEST.SHIFT_HEATMAP`), right for no stride, near for 4, harmful for 1.

    Raises:
        ValueError: ``align`` is none of the three names.
    """
    if align not in get_args(FlipAlign):
        raise ValueError(f"align must be one of {get_args(FlipAlign)}, got {align!r}")
    if align == "exact":
        return (stride - 1) / stride
    return float(align == "integer")


def merge_flipped(
    heatmaps: Tensor, mirrored: Tensor, flip_index: Tensor, fraction: float = 0.0
) -> Tensor:
    """Average direct maps with those of the mirrored picture.

    Args:
        heatmaps: (N, K, H, W) maps of the picture.
        mirrored: (N, K, H, W) maps of the mirrored picture, as the network gave them.
        flip_index: (K,) int64 on the same device, `Skeleton.flip_index`.
        fraction: shift of the mirrored-back maps in cells, from `flip_fraction`.
    """
    return (heatmaps + shift_right(flip_back(mirrored, flip_index), fraction)).mul_(0.5)
