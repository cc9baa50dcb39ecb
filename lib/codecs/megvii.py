"""Targets and decoding of CPN and MSPN (Chen et al. 2018; Li et al. 2019), as mmpose has them.

Maps reach from 0 to 255. Axes and points as in ``lib.codecs.heatmap``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lib.codecs.dark import smoothing_weights
from lib.codecs.heatmap import find_peaks, quarter_offset
from lib.structures.geometry import Size

PEAK = 255.0


def encode_megvii(
    keypoints: Tensor, visible: Tensor, size: Size, kernel: int
) -> tuple[Tensor, Tensor]:
    """Draw one Gaussian per joint around the cell that the joint lies in.

    As published it is a unit impulse that is smoothed, with the map mirrored at its border (without
    repeating the border cell), and scaled to 255 where the impulse was.

    Args:
        keypoints: (N, K, 2) float, in heatmap cells.
        visible: (N, K) float or bool; 0 means not annotated. Below 0.5 nothing is drawn.
        size: ``(width, height)`` of the maps, in cells.
        kernel: odd smoothing width in cells.

    Returns:
        heatmaps: (N, K, H, W) float32 in [0, 255], or a little above beside the border.
        weights: (N, K) float32, ``visible`` where the joint's cell is on the map, else 0.
    """
    centre = keypoints.float().trunc()
    inside = (centre >= 0).all(dim=-1) & (centre[..., 0] < size[0]) & (centre[..., 1] < size[1])
    weights = visible.float() * inside
    columns, rows = (_profile(centre[..., axis, None], size[axis], kernel) for axis in (0, 1))
    rows = PEAK * rows * (weights >= 0.5)[..., None]
    return rows[..., :, None] * columns[..., None, :], weights


def decode_megvii(heatmaps: Tensor, kernel: int, refine: bool) -> tuple[Tensor, Tensor]:
    """Smooth the maps, find their peaks, move those inside to three quarters of the way.

    Args:
        heatmaps: (N, K, H, W) floating point.
        kernel: odd smoothing width in cells.
        refine: without it peaks stay whole cells.

    Returns:
        cells: (N, K, 2) float32. Peaks more than a cell away from the border move half a cell right
            and down, to the middle of the cell, and a quarter toward the higher neighbours.
        scores: (N, K) float32, maximum / 255 + 0.5.
    """
    height, width = heatmaps.shape[-2:]
    smoothed = _smooth(heatmaps.float(), kernel)
    cells, peaks = find_peaks(smoothed)
    if refine:
        x, y = cells.unbind(-1)
        inside = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
        cells = quarter_offset(smoothed, cells) + 0.5 * inside[..., None]
    return cells, peaks / PEAK + 0.5


def _profile(centre: Tensor, length: int, kernel: int) -> Tensor:
    """Return (N, K, length): an impulse and its mirror images, smoothed; 1 at ``centre``."""
    cells = torch.arange(length, dtype=torch.float32, device=centre.device)
    last = length - 1
    places = ((centre, 1.0), (-centre, centre != 0), (2 * last - centre, centre != last))
    weights = smoothing_weights(kernel, centre.device)
    values = torch.zeros_like(cells - centre)
    for place, counts in places:
        away = (cells - place).abs().long()
        near = weights[(away + kernel // 2).clamp_max(kernel - 1)]
        values = values + near * (away <= kernel // 2) * counts
    at = values.gather(-1, centre.long().clamp(0, last))
    return values / torch.where(at > 0, at, 1)  # a joint outside has no value there


def _smooth(heatmaps: Tensor, kernel: int) -> Tensor:
    """Return the maps smoothed with zeros around them, each scaled to the maximum it had.

    Cells at the same distance are added first: a symmetric map stays symmetric to the bit, or its
    peak would be moved by nothing but roundings.
    """
    reach, smoothed = kernel // 2, heatmaps
    weights = smoothing_weights(kernel, heatmaps.device)
    for axis, edges in ((3, (reach, reach)), (2, (0, 0, reach, reach))):
        wide, length = functional.pad(smoothed, edges), heatmaps.shape[axis]
        smoothed = weights[reach] * wide.narrow(axis, reach, length)
        for away in range(1, reach + 1):
            pair = wide.narrow(axis, reach - away, length) + wide.narrow(axis, reach + away, length)
            smoothed = smoothed + weights[reach + away] * pair
    highest = smoothed.amax(dim=(2, 3), keepdim=True)
    before = heatmaps.amax(dim=(2, 3), keepdim=True)
    return smoothed * (before / torch.where(highest == 0, 1, highest))
