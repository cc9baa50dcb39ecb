"""``rtmpose``: CSPNeXt and joints as tokens (Jiang et al., RTMPose, 2023).

mmpose's names are ours. Its start weights are networks of the same trunk with a heatmap head;
``PRETRAINED_LAYERS`` leaves that head out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yacs.config import CfgNode

from lib.models.fit import codec_arguments
from lib.models.registry import RECIPES, PrefixMap, Recipe
from lib.utils.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

EXTRA = CfgNode(
    {
        "PRETRAINED_LAYERS": ["backbone", "same_head"],  # what PRETRAINED may fill; '*' is all
        # Of the trunk: t 0.167 and 0.375, s 0.33 and 0.5, m 0.67 and 0.75, l 1 and 1.
        "DEEPEN_FACTOR": 1.0,
        "WIDEN_FACTOR": 1.0,
        "HIDDEN": 256,  # width of a joint's token
        "EXPANSION": 2,  # of values and gate of the attention
        "SHARED": 128,  # width of its queries and keys
    }
)
KEYS = PrefixMap((("head.", "head."), ("backbone.", "backbone."), ("", "backbone.")))


def build(model: CfgNode) -> nn.Module:
    """Return the network of ``MODEL``; images (B, 3, H, W) -> [(B, K, Wx), (B, K, Wy)].

    Raises:
        ConfigError: a value of ``EXTRA`` makes no network.
    """
    from lib.models.backbones.cspnext import CSPNeXt
    from lib.models.heads.rtmcc import RTMCCHead
    from lib.models.layers.blocks import init_parts
    from lib.models.posenet import PoseNet

    extra = model.EXTRA
    try:
        backbone = CSPNeXt(extra.DEEPEN_FACTOR, extra.WIDEN_FACTOR)
    except ValueError as error:
        raise ConfigError(f"MODEL.EXTRA: {error}") from error
    head = RTMCCHead(
        backbone.out_channels,
        backbone.out_strides,
        model.NUM_JOINTS,
        input_size=tuple(model.IMAGE_SIZE),
        hidden=extra.HIDDEN,
        expansion=extra.EXPANSION,
        shared=extra.SHARED,
        **codec_arguments(model, RTMCCHead),
    )
    init_parts(backbone, head)
    return PoseNet(backbone, None, head)


RECIPES.register("rtmpose")(
    Recipe(task="topdown", extra=EXTRA, build=build, key_map=KEYS, table="macs / 1e9")
)
