"""``pose_hrnet``: HRNet with one convolution as head (Sun et al., CVPR 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yacs.config import CfgNode

from lib.models.recipes.stages import (
    TRUNK_LAYERS,
    hrnet_schema,
    read_blocks,
    read_stages,
    read_stem,
)
from lib.models.registry import RECIPES, PrefixMap, Recipe

if TYPE_CHECKING:
    from torch import nn

EXTRA = CfgNode(
    {
        "PRETRAINED_LAYERS": [*TRUNK_LAYERS, "same_head"],  # what PRETRAINED may fill; '*' is all
        "FINAL_CONV_KERNEL": 1,
        **hrnet_schema(),
    }
)
KEYS = PrefixMap((("final_layer.", "head.final_layer."), ("", "backbone.")))


def build(model: CfgNode) -> nn.Module:
    """Return the network that ``MODEL`` describes; images (B, 3, H, W) -> (B, K, H / 4, W / 4)."""
    from lib.models.backbones.hrnet import HRNet
    from lib.models.heads.heatmap import HeatmapHead
    from lib.models.layers.blocks import init_normal
    from lib.models.posenet import PoseNet

    extra = model.EXTRA
    backbone = HRNet(read_stages(extra), blocks=read_blocks(extra), stem=read_stem(extra))
    head = HeatmapHead(
        backbone.out_channels,
        backbone.out_strides,
        model.NUM_JOINTS,
        kernel=extra.FINAL_CONV_KERNEL,
    )
    network = PoseNet(backbone, None, head)
    if model.INIT_WEIGHTS:
        init_normal(network)
    return network


RECIPES.register("pose_hrnet")(Recipe(task="topdown", extra=EXTRA, build=build, key_map=KEYS))
