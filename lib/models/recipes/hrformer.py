"""``pose_hrformer``: HRFormer with one convolution as head (Yuan et al., NeurIPS 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yacs.config import CfgNode

from lib.models.recipes.stages import (
    TRUNK_LAYERS,
    check_entries,
    read_stages,
    read_stem,
    stage1_schema,
    stage_schema,
)
from lib.models.registry import RECIPES, PrefixMap, Recipe, StateDict
from lib.utils.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from lib.models.backbones.hrformer import Attention, HRFormer


def _stage(modules: int, branches: int) -> CfgNode:
    widths = [32 * 2**branch for branch in range(branches)]
    node = stage_schema(modules, 2, widths, "TRANSFORMER_BLOCK")
    node.NUM_HEADS = [2**branch for branch in range(branches)]
    node.NUM_MLP_RATIOS = [4] * branches
    node.NUM_WINDOW_SIZES = [7] * branches
    return node


TRUNK_EXTRA = CfgNode(
    {
        "PRETRAINED_LAYERS": [*TRUNK_LAYERS, "same_head"],  # what PRETRAINED may fill; '*' is all
        "STAGE1": stage1_schema(2),
        "STAGE2": _stage(1, 2),
        "STAGE3": _stage(4, 3),
        "STAGE4": _stage(2, 4),
        "DROP_PATH_RATE": 0.1,  # of the deepest blocks
        "RPE": True,  # relative-position bias; false for the official pose files
    }
)
EXTRA = TRUNK_EXTRA.clone()
EXTRA.FINAL_CONV_KERNEL = 1

# Names inside a block: official -> mmpose; q, k and v are one matrix there.
MMPOSE_NAMES = ((".attn.attn.out_proj.", ".attn.attn.proj."), (".mlp.", ".ffn."))
QKV = ".attn.attn.qkv."
PARTS = (".attn.attn.q_proj.", ".attn.attn.k_proj.", ".attn.attn.v_proj.")


class HRFormerKeys:
    """Official pose files (``backbone.``, ``keypoint_head.``), bare trunks, and mmpose's names."""

    _prefixes = PrefixMap((("keypoint_head.", "head."), ("backbone.", "backbone.")))
    _bare = PrefixMap(
        (
            ("backbone.", "backbone."),
            ("head.", "head."),
            ("final_layer.", "head.final_layer."),
            ("", "backbone."),
        )
    )

    def from_official(self, state: StateDict) -> StateDict:
        """Return ``state`` (official, flat or mmpose) under our names."""
        return self._bare.from_official(self._prefixes.from_official(from_mmpose(state)))

    def to_official(self, state: StateDict) -> StateDict:
        """Return our ``state`` under the names of the official pose files."""
        return self._prefixes.to_official(state)

    def advise(self, model: nn.Module, state: StateDict) -> list[str]:
        """Warn of an official pose file whose bias tables were never used, see ``RPE``."""
        from lib.models.layers.transformer import WindowSelfAttention

        official = any(key.startswith("keypoint_head.") for key in state) and any(
            PARTS[0] in key for key in state
        )
        biased = any(isinstance(m, WindowSelfAttention) and m.rpe for m in model.modules())
        if not (official and biased):
            return []
        return [
            "official HRFormer pose files were trained without the relative-position bias; "
            "set MODEL.EXTRA.RPE false unless this file was trained with it"
        ]


def from_mmpose(state: StateDict) -> StateDict:
    """Return ``state`` with mmpose's block names made official; official names pass unchanged."""
    renamed: StateDict = {}
    for key, value in state.items():
        name = key
        for official, theirs in MMPOSE_NAMES:
            name = name.replace(theirs, official)
        if QKV in name:
            for part, rows in zip(PARTS, value.chunk(3), strict=True):
                renamed[name.replace(QKV, part)] = rows
        else:
            renamed[name] = value
    return renamed


def to_mmpose(state: StateDict) -> StateDict:
    """Return our ``state`` under the names of mmpose 1.x; undoes ``from_official`` of these."""
    import torch

    renamed: StateDict = {}
    for key, value in state.items():
        name = key
        for official, theirs in MMPOSE_NAMES:
            name = name.replace(official, theirs)
        if PARTS[0] in name:
            rows = [state[key.replace(PARTS[0], part)] for part in PARTS]
            renamed[name.replace(PARTS[0], QKV)] = torch.cat(rows)
        elif not any(part in name for part in PARTS):
            renamed[name] = value
    return renamed


def build_trunk(extra: CfgNode) -> HRFormer:
    """Return the backbone that ``MODEL.EXTRA`` describes.

    Raises:
        ConfigError: lists of a stage differ in length, or widths do not fit the heads.
    """
    from lib.models.backbones.hrformer import Attention, HRFormer

    attention: list[Attention] = []
    for number in (2, 3, 4):
        name, node = f"STAGE{number}", extra[f"STAGE{number}"]
        keys = ("NUM_HEADS", "NUM_WINDOW_SIZES", "NUM_MLP_RATIOS")
        check_entries(name, node, keys)
        attention.append(Attention(*(tuple(node[key]) for key in keys)))
    stages = read_stages(extra)
    try:
        return HRFormer(
            stages,
            attention,
            stem=read_stem(extra),
            drop_path=extra.DROP_PATH_RATE,
            rpe=extra.RPE,
        )
    except ValueError as error:
        raise ConfigError(f"MODEL.EXTRA.STAGE*: {error}") from error


def build(model: CfgNode) -> nn.Module:
    """Return the network that ``MODEL`` describes; images (B, 3, H, W) -> (B, K, H / 4, W / 4)."""
    from lib.models.heads.heatmap import HeatmapHead
    from lib.models.layers.blocks import init_normal
    from lib.models.posenet import PoseNet

    backbone = build_trunk(model.EXTRA)
    head = HeatmapHead(
        backbone.out_channels,
        backbone.out_strides,
        model.NUM_JOINTS,
        kernel=model.EXTRA.FINAL_CONV_KERNEL,
    )
    network = PoseNet(backbone, None, head)
    if model.INIT_WEIGHTS:
        init_normal(network)
    return network


KEYS = HRFormerKeys()
RECIPES.register("pose_hrformer")(
    Recipe(task="topdown", extra=EXTRA, build=build, key_map=KEYS, table="macs / 2^30")
)
