"""HRNet (Sun et al., Deep High-Resolution Representation Learning, CVPR 2019)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from lib.models.backbones.multires import FusionStyle, MultiResolution, Place, Stage, Stem
from lib.models.layers.blocks import BLOCKS, conv_bn
from lib.models.registry import BACKBONES


def _down(in_channels: int, out_channels: int) -> Sequence[nn.Module]:
    return conv_bn(in_channels, out_channels, 3, stride=2)


FUSION = FusionStyle(down=_down, up="nearest")


class HRNet(MultiResolution):
    """Multi-resolution trunk of residual blocks.

    Args:
        stages: sizes of stages 2, 3 and 4; ``channels`` are what a branch carries, that is inner
            width x 4 where the block is a bottleneck.
        blocks: name of each stage's block, a key of ``layers.blocks.BLOCKS``.
        stem: size of what precedes stage 2.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        blocks: Sequence[str] = ("BASIC", "BASIC", "BASIC"),
        stem: Stem | None = None,
    ) -> None:
        def make_block(channels: int, place: Place) -> nn.Module:
            block = BLOCKS[blocks[place.stage - 2]]
            return block(channels, channels // block.expansion)

        super().__init__(stages, make_block, FUSION, stem or Stem())


@BACKBONES.register("hrnet")
def hrnet(
    width: int = 32,
    modules: Sequence[int] = (1, 4, 3),
    blocks: int = 4,
    *,
    stem_width: int = 64,
    stage1_blocks: int = 4,
    stage1_channels: int = 64,
) -> HRNet:
    """Return HRNet-W<width>: branches of width, 2, 4, 8 x width channels.

    Args:
        width: channels of the finest branch.
        modules: modules of stages 2, 3 and 4.
        blocks: basic blocks per branch and module.
        stem_width: channels of the stem.
        stage1_blocks: number of bottlenecks before stage 2.
        stage1_channels: their inner width.
    """
    stages = [
        Stage(count, (blocks,) * branches, tuple(width * 2**i for i in range(branches)))
        for branches, count in enumerate(modules, start=2)
    ]
    return HRNet(stages, stem=Stem(stem_width, "BOTTLENECK", stage1_blocks, stage1_channels))
