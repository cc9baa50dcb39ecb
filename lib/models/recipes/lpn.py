"""``lpn``: light pose networks.

Zhang et al., Simple and Lightweight Human Pose Estimation, 2019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yacs.config import CfgNode

from lib.models.recipes.resnet import KEYS, build_deconv_head
from lib.models.registry import RECIPES, Recipe
from lib.utils.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from lib.models.heads.deconv import DeconvHead

EXTRA = CfgNode(
    {
        "PRETRAINED_LAYERS": ["*"],
        "NUM_LAYERS": 50,  # 18, 34, 50, 100, 101, 152
        "GROUP_WIDTH": 1,  # of 18 and 34: channels per group, 2 in the 'h' variants
        "ATTENTION": "GC",  # GC | SE | ''
        "FINAL_CONV_KERNEL": 1,
        "DECONV_WITH_BIAS": False,
        "NUM_DECONV_LAYERS": 2,
        "NUM_DECONV_FILTERS": [256, 256],
        "NUM_DECONV_KERNELS": [4, 4],
    }
)


def build(model: CfgNode) -> nn.Module:
    """Return the network that ``MODEL`` describes; images (B, 3, H, W) -> (B, K, H / 4, W / 4).

    Raises:
        ConfigError: a value of ``EXTRA`` is unknown, or the lists of the head do not fit together.
    """
    from lib.models.backbones.lpn import lpn
    from lib.models.layers.blocks import init_normal
    from lib.models.posenet import PoseNet

    extra = model.EXTRA
    try:
        backbone = lpn(extra.NUM_LAYERS, extra.ATTENTION, extra.GROUP_WIDTH)
    except ValueError as error:
        raise ConfigError(f"MODEL.EXTRA (NUM_LAYERS, ATTENTION, GROUP_WIDTH): {error}") from error
    head = build_deconv_head(model, backbone, grouped=True)
    network = PoseNet(backbone, None, head)
    if model.INIT_WEIGHTS:
        if model.PRETRAINED:
            _init_head(head)
        else:
            init_normal(network, clear_biases=False)
    return network


def _init_head(head: DeconvHead) -> None:
    """Start what no weight file of a relative fills; 1x1 convolutions keep PyTorch's default."""
    from torch import nn

    from lib.models.layers.blocks import init_normal

    for module in head.modules():
        if isinstance(module, nn.ConvTranspose2d | nn.BatchNorm2d):
            init_normal(module)
    init_normal(head.final_layer)


RECIPES.register("lpn")(Recipe(task="topdown", extra=EXTRA, build=build, key_map=KEYS))
