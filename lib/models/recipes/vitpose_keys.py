"""Four layouts of ViTPose's files, and those of the encoders that it starts from.

``original``: the ViTPose repository; mmpose 1.x; transformers (query, key and value apart); bare
encoders (MAE, plain transformers of timm). The original, transformers and encoders keep an entry in
the table of positions for a class token that the network does without; it was added to every
token in training, so it is added to every position here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lib.models.encoder_keys import EncoderKeys, without_slot
from lib.models.registry import PrefixMap, StateDict
from lib.utils.errors import WeightsError

if TYPE_CHECKING:
    pass

logger = logging.getLogger(__name__)

MAX_DEPTH = 64  # blocks; names of so many are known
DECONVS = 4  # transposed convolutions of the classic decoder whose names are known
TRUNK = "backbone."
POSITIONS = "backbone.pos_embed"
ENCODER = ("patch_embed.", "pos_embed", "blocks.", "norm.")  # of a file that holds nothing else
UNUSED = ("backbone.cls_token", "cls_token", "mask_token")
EXPERTS = ".mlp.experts."
OTHER_DECODERS = "associate_keypoint_heads."  # ViTPose++: those of the experts from 1 on
PARTS = ("query", "key", "value")

# Parts of a block: ours and the original's, mmpose's, transformers'.
BLOCK = (
    ("norm1.", "ln1.", "layernorm_before."),
    ("attn.qkv.", "attn.qkv.", "attention.attention.qkv."),
    ("attn.proj.", "attn.proj.", "attention.output.dense."),
    ("norm2.", "ln2.", "layernorm_after."),
    ("mlp.fc1.", "ffn.layers.0.0.", "mlp.fc1."),
    ("mlp.fc2.", "ffn.layers.1.", "mlp.fc2."),
)


def _mmpose() -> Iterator[tuple[str, str]]:
    """Yield (mmpose's, ours) prefixes; mmpose's decoders have our names."""
    yield "backbone.patch_embed.projection.", "backbone.patch_embed.proj."
    yield "backbone.ln1.", "backbone.last_norm."
    for block in range(MAX_DEPTH):
        for ours, theirs, _ in BLOCK:
            yield f"backbone.layers.{block}.{theirs}", f"backbone.blocks.{block}.{ours}"


def _transformers() -> Iterator[tuple[str, str]]:
    """Yield (transformers', ours) prefixes, query, key and value joined."""
    yield "backbone.embeddings.patch_embeddings.projection.", "backbone.patch_embed.proj."
    yield "backbone.embeddings.position_embeddings", POSITIONS
    yield "backbone.layernorm.", "backbone.last_norm."
    for block in range(MAX_DEPTH):
        for ours, _, theirs in BLOCK:
            yield f"backbone.encoder.layer.{block}.{theirs}", f"backbone.blocks.{block}.{ours}"
        yield f"backbone.encoder.layer.{block}{EXPERTS}", f"backbone.blocks.{block}{EXPERTS}"
    for number in range(DECONVS):
        yield f"head.deconv{number + 1}.", f"head.deconv_layers.{3 * number}."
        yield f"head.batchnorm{number + 1}.", f"head.deconv_layers.{3 * number + 1}."
    yield "head.conv.", "head.final_layer."


MMPOSE, TRANSFORMERS = PrefixMap(tuple(_mmpose())), PrefixMap(tuple(_transformers()))
ORIGINAL = PrefixMap((("keypoint_head.", "head."),))
BARE = PrefixMap(tuple((name, f"backbone.{name}") for name in ENCODER))


class VitPoseKeys:
    """Every layout -> ours; ours -> the original's.

    Args:
        grid: rows and columns of the network's patches; None leaves tables of positions alone.
        expert: which data set's expert and decoder to take from a file of ViTPose++.
    """

    def __init__(self, grid: tuple[int, int] | None = None, expert: int = 0) -> None:
        self._grid = grid
        self._expert = expert

    def from_official(self, state: StateDict) -> StateDict:
        """Return ``state`` (of any of the layouts) under our names.

        Raises:
            WeightsError: the file holds experts, but not the wanted one.
        """
        state = _one_decoder(state, self._expert)
        if _any_starts(state, "backbone.embeddings."):
            state = TRANSFORMERS.from_official(_joined(state))
            return _without_slot(_one_expert(state, self._expert))
        if _any_starts(state, "backbone.layers."):
            return MMPOSE.from_official(state)
        state = _one_expert(state, self._expert)
        if _any_starts(state, "keypoint_head."):
            return _without_slot(ORIGINAL.from_official(state))
        return BARE.from_official(state)

    def to_official(self, state: StateDict) -> StateDict:
        """Return our ``state`` under the names of the ViTPose repository."""
        return ORIGINAL.to_official(_with_slot(state))

    def complete(self, state: StateDict, own: StateDict) -> StateDict:
        """Return ``state`` with positions and patches of the size that the network wants."""
        if self._grid is None:
            return state
        start = len(TRUNK)
        trunk, mine = (
            {key[start:]: value for key, value in one.items() if key.startswith(TRUNK)}
            for one in (state, own)
        )
        fitted = EncoderKeys(self._grid).complete(trunk, mine)
        return {**state, **{f"{TRUNK}{key}": value for key, value in fitted.items()}}


def to_mmpose(state: StateDict) -> StateDict:
    """Return our ``state`` under the names of mmpose 1.x."""
    return MMPOSE.to_official(state)


def to_transformers(state: StateDict) -> StateDict:
    """Return our ``state`` under the names of transformers; query, key and value are split."""
    renamed: StateDict = {}
    for key, value in TRANSFORMERS.to_official(_with_slot(state)).items():
        if ".qkv." in key:
            rows = zip(PARTS, value.chunk(3), strict=True)
            renamed.update((key.replace(".qkv.", f".{part}."), piece) for part, piece in rows)
        else:
            renamed[key] = value
    return renamed


def _joined(state: StateDict) -> StateDict:
    """Return a state of transformers with query, key and value as rows of one tensor."""
    import torch

    renamed: StateDict = {}
    for key, value in state.items():
        first, *others = (f".attention.attention.{part}." for part in PARTS)
        if first in key:
            rows = [value, *(state[key.replace(first, other)] for other in others)]
            renamed[key.replace(".query.", ".qkv.")] = torch.cat(rows)
        elif not any(other in key for other in others):
            renamed[key] = value
    return renamed


def _one_decoder(state: StateDict, expert: int) -> StateDict:
    """Leave out what the network does without, and the decoders of other data sets."""
    wanted = f"{OTHER_DECODERS}{expert - 1}." if expert else "keypoint_head."
    several = _any_starts(state, OTHER_DECODERS)
    kept: StateDict = {}
    for key, value in state.items():
        if several and key.startswith(wanted):
            kept[f"keypoint_head.{key[len(wanted) :]}"] = value
        elif several and key.startswith(("keypoint_head.", OTHER_DECODERS)):
            continue
        elif key not in UNUSED:
            kept[key] = value
    return kept


def _one_expert(state: StateDict, expert: int) -> StateDict:
    """Append the last channels of each second MLP layer, which every data set has of its own.

    Raises:
        WeightsError: there are experts, but not this one.
    """
    import torch

    if not any(EXPERTS in key for key in state):
        return state
    if not any(f"{EXPERTS}{expert}." in key for key in state):
        raise WeightsError(f"The file has no expert {expert}; set MODEL.EXTRA.EXPERT to another.")
    merged = {key: value for key, value in state.items() if EXPERTS not in key}
    for key, value in state.items():
        if f"{EXPERTS}{expert}." in key:
            shared = key.replace(f"{EXPERTS}{expert}.", ".mlp.fc2.")
            merged[shared] = torch.cat([merged[shared], value])
    return merged


def _without_slot(state: StateDict) -> StateDict:
    """Return ``state`` with the class token's entry added to all others."""
    if POSITIONS not in state:
        return state
    return {**state, POSITIONS: without_slot(state[POSITIONS])}


def _with_slot(state: StateDict) -> StateDict:
    """Undo ``_without_slot``, with an entry of zeros."""
    if POSITIONS not in state:
        return state
    import torch

    table = state[POSITIONS]
    return {**state, POSITIONS: torch.cat([torch.zeros_like(table[:, :1]), table], dim=1)}


def _any_starts(state: StateDict, prefix: str) -> bool:
    return any(key.startswith(prefix) for key in state)
