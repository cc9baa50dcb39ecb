"""Losses on expected positions: DSNT (Nibali et al. 2018) and Integral (Sun et al. 2018).

Axes: N people, K joints, (H, W) cells. Positions are ``(x, y)`` in cells.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lib.structures.geometry import Size


def position_errors(found: Tensor, wanted: Tensor, size: Size, norm: int) -> Tensor:
    """Return the (N, K) distances of positions, in half sides of the map.

    Half a side is the unit of Nibali et al., Sec. 3: the map reaches from -1 to 1 on both axes.

    Args:
        found: (N, K, 2) in cells.
        wanted: (N, K, 2) in cells.
        size: ``(width, height)`` of the map in cells.
        norm: 2 is the Euclidean distance (DSNT), 1 the sum over both axes (Integral).
    """
    x, y = (found.float() - wanted).unbind(-1)
    offsets = torch.stack([x * (2 / size[0]), y * (2 / size[1])], dim=-1)
    return torch.linalg.vector_norm(offsets, ord=norm, dim=-1)


def divergences(logits: Tensor, wanted: Tensor, sigma: float) -> Tensor:
    """Return the (N, K) Jensen-Shannon divergences from Gaussians, in nats, 0 to log 2.

    It gives the map its shape: an expected position alone allows any spread (Nibali et al., Sec.
    3.3). The Gaussians sum to 1 over the map. In float32.

    Args:
        logits: (N, K, H, W); the distribution is their softmax.
        wanted: (N, K, 2) centres of the Gaussians in cells.
        sigma: deviation of the Gaussians in cells.
    """
    size = (logits.shape[-1], logits.shape[-2])
    found = logits.float().flatten(2).log_softmax(-1)
    drawn = gaussian_logits(wanted, size, sigma).flatten(2).log_softmax(-1)
    middle = torch.logaddexp(found, drawn) - math.log(2)
    terms = found.exp() * (found - middle) + drawn.exp() * (drawn - middle)
    return terms.sum(-1) / 2


def gaussian_logits(centres: Tensor, size: Size, sigma: float) -> Tensor:
    """Return (N, K, H, W) float32 logarithms of unit-peak Gaussians around (N, K, 2) cells."""
    columns, rows = (
        (torch.arange(length, dtype=torch.float32, device=centres.device) - at[..., None]).square()
        for length, at in zip(size, centres.float().unbind(-1), strict=True)
    )
    return (rows[..., :, None] + columns[..., None, :]) * (-0.5 / sigma**2)


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return the () mean of ``values`` by ``weights``, of one shape; 0 if no weight is above 0."""
    total = weights.sum()
    return (values * weights).sum() / torch.where(total > 0, total, 1.0)


def weighted_means(values: Tensor, weights: Tensor) -> Tensor:
    """Return the (N,) means of the rows of ``values`` by ``weights``, as `weighted_mean`."""
    totals = weights.sum(dim=1)
    return (values * weights).sum(dim=1) / torch.where(totals > 0, totals, 1.0)
