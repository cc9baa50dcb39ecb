"""Learned tables of positions of vision transformers, brought to another grid of patches."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

Grid = tuple[int, int]  # (rows, columns) of patches


def resize_table(table: Tensor, grid: Grid, extra: int = 0) -> Tensor:
    """Return a table of positions resampled to another grid, bicubically, in float32.

    Args:
        table: (1, E + N, C): E entries that belong to no patch (a class token, or none), then the
            patches row by row.
        grid: rows and columns of the wanted patches.
        extra: entries of the wanted table that belong to no patch.

    Returns:
        (1, extra + rows x columns, C) of the same type. ``table`` itself where it cannot be told
        which grid its entries form (see ``source_grid``), or it lacks the extra entries.
    """
    found = source_grid(table.shape[1], extra)
    if found is None or found[0] < extra or table.shape[1] == extra + grid[0] * grid[1]:
        return table
    held, old = found
    patches = table[:, held:].float().unflatten(1, old).permute(0, 3, 1, 2)
    resized = F.interpolate(patches, size=grid, mode="bicubic", align_corners=False)
    rows = resized.flatten(2).transpose(1, 2).to(table.dtype)
    return torch.cat([table[:, held - extra : held], rows], dim=1)


def source_grid(entries: int, extra: int = 0) -> tuple[int, Grid] | None:
    """Return how many entries of a table belong to no patch, and the grid of the others.

    Images of classifiers are square; those of people are a third taller than wide.

    Args:
        entries: of the table.
        extra: number of entries without a patch that is tried first; 0 and 1 are tried after it.
    """
    for held in dict.fromkeys((extra, 0, 1)):
        count = entries - held
        side, unit = math.isqrt(max(count, 0)), math.isqrt(max(count, 0) // 12)
        if side and side**2 == count:
            return held, (side, side)
        if unit and 12 * unit**2 == count:
            return held, (4 * unit, 3 * unit)
    return None


def resize_bias(table: Tensor, grid: Grid) -> Tensor:
    """Return a table of relative positions resampled to another window, bicubically, in float32.

    Args:
        table: (rows x columns, heads) of a square window of side S: both are 2 S - 1.
        grid: the wanted rows and columns.

    Returns:
        (rows x columns, heads) of the same type; ``table`` itself if it is of no square window.
    """
    side = math.isqrt(len(table))
    if side**2 != len(table) or (side, side) == grid:
        return table
    old = table.float().T.reshape(1, -1, side, side)
    resized = F.interpolate(old, size=grid, mode="bicubic", align_corners=False)
    return resized.flatten(2)[0].T.to(table.dtype)
