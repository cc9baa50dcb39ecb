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
