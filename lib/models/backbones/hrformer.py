"""HRFormer (Yuan et al., High-Resolution Transformer for Dense Prediction, NeurIPS 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from lib.models.backbones.multires import FusionStyle, MultiResolution, Place, Stage, Stem
from lib.models.layers.blocks import conv_bn
from lib.models.layers.transformer import TransformerBlock
from lib.models.registry import BACKBONES


def _down(in_channels: int, out_channels: int) -> Sequence[nn.Module]:
    depthwise = conv_bn(in_channels, in_channels, 3, stride=2, groups=in_channels)
    return [*depthwise, *conv_bn(in_channels, out_channels, 1)]


FUSION = FusionStyle(down=_down, up="bilinear")


@dataclass(frozen=True)
class Attention:
    """What the blocks of one stage look like, one entry per branch, fine to coarse.

    Attributes:
        heads: attention heads.
        windows: side of the attention windows in cells.
        mlp_ratios: hidden width of the feed-forward part / width.
    """

    heads: tuple[int, ...]
    windows: tuple[int, ...]
    mlp_ratios: tuple[int, ...]


class HRFormer(MultiResolution):
    """Multi-resolution trunk of transformer blocks.

    Args:
        stages: sizes of stages 2, 3 and 4.
        attention: their blocks.
        stem: size of what precedes stage 2.
        drop_path: rate of the deepest blocks; it grows linearly from 0 with depth, and is the same
            for all branches at one depth.
        rpe: add the relative-position bias. The released pose weights were trained without, all
            others with it.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        attention: Sequence[Attention],
        *,
        stem: Stem | None = None,
        drop_path: float = 0.1,
        rpe: bool = True,
    ) -> None:
        depth = sum(stage.modules * max(stage.blocks) for stage in stages)

        def make_block(channels: int, place: Place) -> nn.Module:
            kind = attention[place.stage - 2]
            return TransformerBlock(
                channels,
                kind.heads[place.branch],
                window=kind.windows[place.branch],
                mlp_ratio=kind.mlp_ratios[place.branch],
                drop_path=drop_path * place.depth / max(1, depth - 1),
                rpe=rpe,
            )

        super().__init__(stages, make_block, FUSION, stem or Stem(blocks=2))


@BACKBONES.register("hrformer")
def hrformer(
    width: int = 32,
    heads: int = 1,
    modules: Sequence[int] = (1, 4, 2),
    blocks: int = 2,
    *,
    window: int = 7,
    mlp_ratio: int = 4,
    drop_path: float = 0.1,
    rpe: bool = True,
    stage1_blocks: int = 2,
    stage1_channels: int = 64,
) -> HRFormer:
    """Return HRFormer with branches of width, 2, 4, 8 x width channels; S is (32, 1), B (78, 2).

    Args:
        width: channels of the finest branch.
        heads: its attention heads; coarser branches have 2, 4, 8 times as many.
        modules: modules of stages 2, 3 and 4.
        blocks: blocks per branch and module.
        window: side of the attention windows in cells.
        mlp_ratio: hidden width of the feed-forward parts / width.
        drop_path: rate of the deepest blocks.
        rpe: add the relative-position bias.
        stage1_blocks: number of bottlenecks before stage 2.
        stage1_channels: their inner width.
    """
    branches = range(2, 2 + len(modules))
    stages = [
        Stage(count, (blocks,) * n, tuple(width * 2**i for i in range(n)))
        for n, count in zip(branches, modules, strict=True)
    ]
    attention = [
        Attention(tuple(heads * 2**i for i in range(n)), (window,) * n, (mlp_ratio,) * n)
        for n in branches
    ]
    stem = Stem(blocks=stage1_blocks, channels=stage1_channels)
    return HRFormer(stages, attention, stem=stem, drop_path=drop_path, rpe=rpe)
