"""EFEM, the sub-pixel feature enhancement module of EFENet.

The module is a reconstruction: no code of it is public, its published cost and claims are met. It
gathers all branches from coarse to fine by sub-pixel convolutions and never interpolates, so that
heatmaps as large as the image cost little and need no post-processing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lib.models.layers.subpixel import SubPixelUnit, Upsampling
from lib.models.registry import NECKS


@NECKS.register("efem")
class EFEM(nn.Module):
    """Upsamples the coarsest map, joins the next finer one, and so on; ends at half its stride.

    Args:
        in_channels: channels of the maps, fine to coarse.
        in_strides: their strides in input pixels.
        channels: widths of the units, coarse to fine: one per map.
        upsampling: ``pixelshuffle``, or ``bilinear`` for comparison.
        multi_scale: read all maps; else the finest alone, for comparison.

    Attributes:
        out_channels, out_strides: of the one map that comes out.
        size_multiple: what height and width of the images must be multiples of.

    Raises:
        ValueError: ``channels`` has another length than there are maps, or a stride does not divide
            the next.
    """

    recomputable = ("up?",)

    def __init__(
        self,
        in_channels: Sequence[int],
        in_strides: Sequence[int],
        *,
        channels: Sequence[int] = (32, 32, 16, 40),
        upsampling: Upsampling = "pixelshuffle",
        multi_scale: bool = True,
    ) -> None:
        super().__init__()
        if len(channels) != len(in_channels):
            raise ValueError(f"give one of channels {list(channels)} per map ({len(in_channels)})")
        self.levels = len(in_channels) if multi_scale else 1
        targets = (in_strides[0] / 2, *in_strides)  # stride that each level is brought to
        width = 0  # of what comes from below
        for level in reversed(range(self.levels)):
            factor = in_strides[level] / targets[level]
            if factor != int(factor) or targets[level] < 1:
                raise ValueError(f"strides {list(in_strides)} must divide one another, down to 2")
            out = channels[len(channels) - 1 - level]
            unit = SubPixelUnit(in_channels[level] + width, out, int(factor), upsampling)
            self.add_module(f"up{level}", unit)
            width = out
        self.out_channels = (width,)
        self.out_strides = (in_strides[0] // 2,)
        self.size_multiple = in_strides[self.levels - 1]
        self.init_weights()

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Map [(B, C_i, H_i, W_i)], fine to coarse, to one map of twice the finest's size.

        Raises:
            ValueError: a map is not as large as the upsampled one below it, because the image is
                no multiple of the coarsest stride.
        """
        x: Tensor | None = None
        for level in reversed(range(self.levels)):
            lateral = maps[level]
            if x is not None and x.shape[2:] != lateral.shape[2:]:
                raise ValueError(
                    f"image height and width must be multiples of {self.size_multiple}: a map of "
                    f"{tuple(lateral.shape[2:])} meets one of {tuple(x.shape[2:])}"
                )
            joined = lateral if x is None else torch.cat([x, lateral], dim=1)
            x = self.get_submodule(f"up{level}")(joined)
        assert x is not None
        return [x]

    def init_weights(self) -> None:
        """Initialise every unit, see ``SubPixelUnit``."""
        for unit in self.children():
            assert isinstance(unit, SubPixelUnit)
            unit.init_weights()
