"""LPN's backbone: ResNet with light blocks, at 1/16 from the third layer on.

Zhang et al., Simple and Lightweight Human Pose Estimation, 2019. Its head is ``deconv``, grouped.
"""

from __future__ import annotations

from functools import partial

from lib.models.backbones.resnet import ResNet
from lib.models.layers.blocks import ResidualBlock
from lib.models.layers.lightweight import LightBasicBlock, LightBottleneck
from lib.models.registry import BACKBONES

LIGHT_DEPTHS: dict[int, tuple[type[LightBasicBlock] | type[LightBottleneck], tuple[int, ...]]] = {
    18: (LightBasicBlock, (2, 2, 2, 2)),
    34: (LightBasicBlock, (3, 4, 6, 3)),
    50: (LightBottleneck, (3, 4, 6, 3)),
    100: (LightBottleneck, (3, 13, 30, 3)),
    101: (LightBottleneck, (3, 4, 23, 3)),
    152: (LightBottleneck, (3, 8, 36, 3)),
}


@BACKBONES.register("lpn")
def lpn(
    depth: int = 50, attention: str = "GC", group_width: int = 1, last_stride: int = 1
) -> ResNet:
    """Return the backbone of LPN-18, 34, 50, 100, 101 or 152.

    Args:
        depth: one of these.
        attention: ``GC`` (global context), ``SE`` (squeeze-and-excitation) or ``''``.
        group_width: channels per group in the blocks of LPN-18 and 34: 1, or 2 for 18h and 34h.
        last_stride: stride of the fourth layer.

    Raises:
        ValueError: an argument is none of these.
    """
    if depth not in LIGHT_DEPTHS:
        raise ValueError(f"depth must be one of {sorted(LIGHT_DEPTHS)}, got {depth}")
    if group_width < 1 or 64 % group_width:
        raise ValueError(f"group_width must divide the 64 channels of layer 1, got {group_width}")
    kind, layers = LIGHT_DEPTHS[depth]
    block: ResidualBlock = partial(kind, attention=attention)
    if kind is LightBasicBlock:
        block = partial(kind, attention=attention, group_width=group_width)
    return ResNet(block, layers, expansion=1, last_stride=last_stride)
