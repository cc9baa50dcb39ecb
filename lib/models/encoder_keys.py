"""Files of encoders that plain transformers start from -> the sizes that a network wants."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from lib.models.layers.position import Grid
    from lib.models.registry import StateDict

logger = logging.getLogger(__name__)

POSITIONS = "pos_embed"
PATCHES = "patch_embed.proj.weight"


class EncoderKeys:
    """Names inside ``ViT`` are those of bare encoders (MAE, timm); sizes may differ.

    Args:
        grid: rows and columns of the network's patches.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid

    def from_official(self, state: StateDict) -> StateDict:
        """Return ``state``: the names are ours."""
        return state

    def to_official(self, state: StateDict) -> StateDict:
        """Return ``state``: the names are theirs."""
        return state

    def complete(self, state: StateDict, own: StateDict) -> StateDict:
        """Return ``state`` with positions and patches of the size that the network wants."""
        from lib.models.layers.position import resize_table, source_grid

        done = dict(state)
        table, kernel = state.get(POSITIONS), state.get(PATCHES)
        if table is not None and table.shape != own[POSITIONS].shape:
            found = source_grid(table.shape[1])
            if table.shape[1] == own[POSITIONS].shape[1] + 1 or (found and found[0]):
                table = without_slot(table)
            done[POSITIONS] = resize_table(table, self._grid)
            if found and found[1] != self._grid:
                logger.info("resized positions of %s patches to %s", found[1], self._grid)
        if kernel is not None and PATCHES in own:
            done[PATCHES] = _padded(kernel, own[PATCHES].shape[-1])
        return done


def without_slot(table: Tensor) -> Tensor:
    """Return (1, N, C) of (1, 1 + N, C): the class token's entry is added to all others."""
    return table[:, 1:] + table[:, :1]


def _padded(kernel: Tensor, side: int) -> Tensor:
    """Return a kernel (C, 3, S, S) with zeros around it up to ``side``, more on the far side."""
    import torch.nn.functional as F

    missing = side - kernel.shape[-1]
    if missing <= 0:
        return kernel
    near = missing // 2
    return F.pad(kernel, (near, missing - near, near, missing - near))
