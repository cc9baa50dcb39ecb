"""DaViT in the size of the bottom-up fusion, and HRNet fused with it.

Ding et al., DaViT: Dual Attention Vision Transformers, ECCV 2022; fused with HigherHRNet by the
KSC 2022 bottom-up model: DaViT runs beside HRNet on the same image, and each of its levels joins
HRNet's newest branch. Its sizes are smaller than those of the public DaViT-Tiny, whose ImageNet
weights therefore do not fit. Attribute names are those of the fusion's checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lib.models.backbones.hrnet import HRNet
from lib.models.backbones.multires import Stage, Stem
from lib.models.layers.blocks import conv_bn, init_normal
from lib.models.layers.dual_attention import DualBlock, PatchEmbed, to_map
from lib.models.registry import BACKBONES

INITS = ("reference", "trunc_normal")


@BACKBONES.register("davit")
class DaViT(nn.Module):
    """Four levels of tokens; each layer of a level is a window block, then a channel block.

    Args:
        embed_dims: channels per level.
        depths: layers per level.
        num_heads: attention heads per level.
        window_size: side of the attention windows in tokens.
        mlp_ratio: hidden width of the MLPs / channels.
        qkv_bias: see WindowAttention.
        drop_path_rate: drop rate of the last block; it grows evenly from 0 at the first.
        patch_size: stride of the first level; every further one halves the map.
        init: ``reference``: convolutions N(0, 0.001), linear layers as the library makes them;
            ``trunc_normal``: linear layers truncated N(0, 0.02) instead.

    Attributes:
        out_channels: channels per level.
        out_strides: strides per level in input pixels.

    Raises:
        ValueError: the lists differ in length, heads do not divide channels, or unknown ``init``.
    """

    recomputable = ("main_blocks.*.*.*",)

    def __init__(
        self,
        embed_dims: Sequence[int] = (64, 128, 192, 256),
        depths: Sequence[int] = (1, 1, 3, 1),
        num_heads: Sequence[int] = (4, 8, 12, 16),
        window_size: int = 7,
        *,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        drop_path_rate: float = 0.1,
        patch_size: int = 4,
        init: str = "reference",
    ) -> None:
        super().__init__()
        _check(embed_dims, depths, num_heads, init)
        last = max(1, 2 * sum(depths) - 1)
        rates = iter([drop_path_rate * i / last for i in range(2 * sum(depths))])
        before = [3, *embed_dims[:-1]]
        self.patch_embeds = nn.ModuleList(
            PatchEmbed(here, there, 2 if level else patch_size, first=not level)
            for level, (here, there) in enumerate(zip(before, embed_dims, strict=True))
        )
        self.main_blocks = nn.ModuleList(
            nn.ModuleList(
                nn.ModuleList(
                    DualBlock(
                        channels,
                        heads,
                        window,
                        mlp_ratio=mlp_ratio,
                        qkv_bias=qkv_bias,
                        drop_path=next(rates),
                    )
                    for window in (window_size, 0)
                )
                for _ in range(depth)
            )
            for channels, depth, heads in zip(embed_dims, depths, num_heads, strict=True)
        )
        for level, channels in enumerate(embed_dims):
            self.add_module(f"norm{level}", nn.LayerNorm(channels))
        self.init = init
        self.out_channels = tuple(embed_dims)
        self.out_strides = tuple(patch_size * 2**level for level in range(len(embed_dims)))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (B, 3, H, W) to normalised maps (B, C_i, H / 4 / 2^i, W / 4 / 2^i).

        Sizes that do not divide are rounded up.
        """
        x, size = images, (images.shape[2], images.shape[3])
        maps = []
        for level, embed in enumerate(self.patch_embeds):
            x, size = embed(x, size)
            for block in self.main_blocks[level].modules():
                if isinstance(block, DualBlock):
                    x = block(x, size)
            maps.append(to_map(self.get_submodule(f"norm{level}")(x), size))
        return maps

    def init_weights(self) -> None:
        """Initialise as ``init`` says; layer norms and library defaults stay."""
        init_normal(self)
        if self.init == "trunc_normal":
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    nn.init.trunc_normal_(module.weight, std=0.02)
                    if module.bias is not None:
                        nn.init.zeros_(module.bias)


def _check(
    embed_dims: Sequence[int], depths: Sequence[int], num_heads: Sequence[int], init: str
) -> None:
    if not len(embed_dims) == len(depths) == len(num_heads):
        raise ValueError("embed_dims, depths and num_heads need one entry per level each")
    for channels, heads in zip(embed_dims, num_heads, strict=True):
        if channels % heads:
            raise ValueError(f"{channels} channels cannot be shared by {heads} heads")
    if init not in INITS:
        raise ValueError(f"init must be one of {INITS}, got '{init}'")


class FusedHRNet(HRNet):
    """HRNet that takes in one DaViT level before each of its four stages.

    Each level is concatenated with the map that HRNet computed last (the stem's, then the newest
    branch of each transition) and reduced by a 3x3 convolution and batch-norm, without ReLU.

    Args:
        stages: sizes of stages 2, 3 and 4, as in HRNet.
        davit: the side trunk, with strides 4, 8, 16, 32.
        blocks: names of the stages' blocks, as in HRNet.
        stem: as in HRNet.

    Raises:
        ValueError: the levels of DaViT do not fit HRNet's branches.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        davit: DaViT,
        *,
        blocks: Sequence[str] = ("BASIC", "BASIC", "BASIC"),
        stem: Stem | None = None,
    ) -> None:
        super().__init__(stages, blocks=blocks, stem=stem)
        if davit.out_strides != self.out_strides:
            raise ValueError(f"DaViT has strides {davit.out_strides}, HRNet {self.out_strides}")
        self.davit = davit
        widths = [(stem or Stem()).width, *(stage.channels[-1] for stage in stages)]
        for name, width, extra in zip(self._names(), widths, davit.out_channels, strict=True):
            conv, norm = conv_bn(width + extra, width, 3)
            self.add_module(f"conv_{name}", conv)
            self.add_module(f"bn1_{name}", norm)

    def side_maps(self, images: Tensor) -> list[Tensor]:
        """Return DaViT's levels of images (B, 3, H, W)."""
        return self.davit(images)

    def inject(self, level: int, x: Tensor, side: Any) -> Tensor:
        """Return ``x`` (B, C, H, W) fused with DaViT's level.

        Raises:
            ValueError: the two maps differ in size.
        """
        if x.shape[2:] != side[level].shape[2:]:
            raise ValueError(
                f"fusion {level}: HRNet's map is {tuple(x.shape[2:])} cells, DaViT's "
                f"{tuple(side[level].shape[2:])}"
            )
        name = self._names()[level]
        x = self.get_submodule(f"conv_{name}")(torch.cat([x, side[level]], dim=1))
        return self.get_submodule(f"bn1_{name}")(x)

    def init_weights(self) -> None:
        """Initialise HRNet and the fusion as the family does, DaViT as it says itself."""
        init_normal(self)
        self.davit.init_weights()

    def _names(self) -> list[int]:
        """Return what the fusion layers are called: their map's side for 512-pixel images."""
        return [512 // stride for stride in self.out_strides]
