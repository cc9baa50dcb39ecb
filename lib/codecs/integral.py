"""Soft-argmax: the expected position under a sharpened softmax (Sun et al. 2018, Integral)."""

from __future__ import annotations

import torch
from torch import Tensor

NEGLIGIBLE = -60.0  # exp of less changes no float32 sum, but denormal numbers are ten times slower


def soft_argmax(heatmaps: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """Return the mean cell of ``softmax(beta * heatmap)`` and the map's value there.

    Two equal peaks give a point between them with a low score; a constant map gives its centre.
    Unlike `find_peaks` nothing is zeroed. A map with NaN or infinity gives a NaN cell.

    Args:
        heatmaps: (N, K, H, W) floating point; computed in float32.
        beta: sharpness; 160 in the published decoder.

    Returns:
        cells: (N, K, 2) float32 ``(x, y)``.
        scores: (N, K) float32 values at the nearest cell (halves to even), not the maxima.
    """
    maps = heatmaps.float()
    height, width = maps.shape[-2:]
    flat = maps.flatten(2)
    weights = maps - flat.amax(dim=2)[..., None, None]
    weights = weights.mul_(beta).clamp_(min=NEGLIGIBLE).exp_()
    per_column, per_row = weights.sum(dim=2), weights.sum(dim=3)
    columns = torch.arange(width, dtype=torch.float32, device=maps.device)
    rows = torch.arange(height, dtype=torch.float32, device=maps.device)
    moments = torch.stack([(per_column * columns).sum(-1), (per_row * rows).sum(-1)], dim=-1)
    cells = moments / per_row.sum(-1)[..., None]
    # A map that is not finite has no mean: its cell is NaN, not an index outside the map.
    x, y = cells.nan_to_num().round().long().unbind(-1)
    scores = flat.gather(2, (y * width + x)[..., None])[..., 0]
    return cells, scores


def log_probabilities(heatmaps: Tensor, beta: float) -> Tensor:
    """Return the logarithm of ``softmax(beta * heatmap)`` over the cells of (N, K, H, W) maps."""
    flat = heatmaps.float().flatten(2) * beta
    return flat.log_softmax(-1).view(heatmaps.shape)


def share_around(heatmaps: Tensor, beta: float, cells: Tensor, reach: float) -> Tensor:
    """Return the share of ``softmax(beta * heatmap)`` that lies near given points.

    Args:
        heatmaps: (N, K, H, W) floating point; computed in float32.
        beta: sharpness.
        cells: (N, K, 2) ``(x, y)``.
        reach: half the side of the square around a point, in cells.

    Returns:
        (N, K) float32 in [0, 1].
    """
    shares = log_probabilities(heatmaps, beta).exp()
    for axis, length in ((0, shares.shape[-1]), (1, shares.shape[-2])):
        places = torch.arange(length, dtype=torch.float32, device=shares.device)
        near = (places - cells[..., axis, None]).abs() <= reach  # (N, K, length)
        shares = torch.einsum("nk...l,nkl->nk...", shares, near.to(shares.dtype))
    return shares
