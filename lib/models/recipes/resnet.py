"""``pose_resnet``: ResNet and transposed convolutions (Xiao et al., ECCV 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yacs.config import CfgNode

from lib.models.registry import RECIPES, PrefixMap, Recipe
from lib.utils.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from lib.models.backbones.resnet import ResNet
    from lib.models.heads.deconv import DeconvHead

EXTRA = CfgNode(
    {
        "NUM_LAYERS": 50,  # 18, 34, 50, 101, 152
        "FINAL_CONV_KERNEL": 1,  # side of the last convolution; odd
        "DECONV_WITH_BIAS": False,  # transposed convolutions get a bias
        "NUM_DECONV_LAYERS": 3,  # transposed convolutions, each doubles the map
        "NUM_DECONV_FILTERS": [256, 256, 256],  # channels of each
        "NUM_DECONV_KERNELS": [4, 4, 4],  # side of each: 2, 3 or 4
    }
)
KEYS = PrefixMap(
    (
        ("final_layer.", "head.final_layer."),
        ("deconv_layers.", "head.deconv_layers."),
        ("", "backbone."),
    )
)


def build(model: CfgNode) -> nn.Module:
    """Return the network that ``MODEL`` describes; images (B, 3, H, W) -> (B, K, H / 4, W / 4).

    Raises:
        ConfigError: the depth is unknown, or the lists of the head do not fit together.
    """
    from lib.models.backbones.resnet import DEPTHS, resnet
    from lib.models.layers.blocks import init_normal
    from lib.models.posenet import PoseNet

    extra = model.EXTRA
    if extra.NUM_LAYERS not in DEPTHS:
        raise ConfigError(
            f"MODEL.EXTRA.NUM_LAYERS must be one of {sorted(DEPTHS)}, got {extra.NUM_LAYERS}"
        )
    backbone = resnet(extra.NUM_LAYERS)
    network = PoseNet(backbone, None, build_deconv_head(model, backbone))
    if model.INIT_WEIGHTS:
        init_normal(network)
    return network


def build_deconv_head(model: CfgNode, backbone: ResNet, *, grouped: bool = False) -> DeconvHead:
    """Return the head that the ``*DECONV*`` keys of ``MODEL.EXTRA`` describe.

    Raises:
        ConfigError: the lists do not fit together.
    """
    from lib.models.heads.deconv import DeconvHead

    extra = model.EXTRA
    for key in ("NUM_DECONV_FILTERS", "NUM_DECONV_KERNELS"):
        if len(extra[key]) != extra.NUM_DECONV_LAYERS:
            raise ConfigError(
                f"MODEL.EXTRA.{key} has {len(extra[key])} entries for "
                f"NUM_DECONV_LAYERS {extra.NUM_DECONV_LAYERS}: give one per layer"
            )
    try:
        return DeconvHead(
            backbone.out_channels,
            backbone.out_strides,
            model.NUM_JOINTS,
            filters=extra.NUM_DECONV_FILTERS,
            kernels=extra.NUM_DECONV_KERNELS,
            grouped=grouped,
            bias=extra.DECONV_WITH_BIAS,
            final_kernel=extra.FINAL_CONV_KERNEL,
        )
    except ValueError as error:
        raise ConfigError(f"MODEL.EXTRA: {error}") from error


RECIPES.register("pose_resnet")(Recipe(task="topdown", extra=EXTRA, build=build, key_map=KEYS))
