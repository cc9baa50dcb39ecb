"""Soft-argmax: the expected position under a sharpened softmax (Sun et al. 2018, Integral)."""

from __future__ import annotations

import torch
from torch import Tensor


def soft_argmax(heatmaps: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """Return the mean cell of ``softmax(beta * heatmap)`` and the map's value there.

    Two equal peaks give a point between them with a low score; a constant map gives its centre.
    Unlike `find_peaks` nothing is zeroed.

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
    weights = torch.softmax(beta * flat, dim=-1).unflatten(2, (height, width))
    columns = torch.arange(width, dtype=torch.float32, device=maps.device)
    rows = torch.arange(height, dtype=torch.float32, device=maps.device)
    cells = torch.stack([weights.sum(2) @ columns, weights.sum(3) @ rows], dim=-1)
    x, y = cells.round().long().unbind(-1)
    scores = flat.gather(2, (y * width + x)[..., None])[..., 0]
    return cells, scores
