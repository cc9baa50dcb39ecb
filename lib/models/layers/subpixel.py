"""Sub-pixel upsampling: predict the cells of a finer map as channels, then shuffle them into place.

Shi et al., Real-Time Single Image Super-Resolution (ESPCN), CVPR 2016. ICNR initialisation: Aitken
et al., Checkerboard artifact free sub-pixel convolution, 2017.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from lib.models.layers.blocks import conv_bn

Upsampling = Literal["pixelshuffle", "bilinear"]


class SubPixelUnit(nn.Module):
    """Depthwise 3x3, batch-norm, 1x1, upsampling, batch-norm, GELU.

    The second batch-norm follows the upsampling, so that the phases of the finer map share one gain
    (no checkerboard). Nothing is interpolated, unless ``bilinear`` asks for it.

    Args:
        in_channels: width before.
        out_channels: width after.
        factor: how many times larger the map becomes; 1 keeps it.
        upsampling: ``pixelshuffle``, or ``bilinear`` for comparison: as many channels as come out,
            interpolated.
    """

    def __init__(
        self, in_channels: int, out_channels: int, factor: int, upsampling: Upsampling
    ) -> None:
        super().__init__()
        self.dw, self.bn1 = conv_bn(in_channels, in_channels, 3, groups=in_channels)
        self.pw, self.up = upsampling_conv(
            in_channels, out_channels, factor, upsampling, kernel=1, bias=False
        )
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, factor x H, factor x W)."""
        x = self.pw(self.bn1(self.dw(x)))
        return self.act(self.bn2(self.up(x)))

    def init_weights(self) -> None:
        """Kaiming-normal by fan-out; the finer map starts as nearest upsampling (ICNR)."""
        for conv in (self.dw, self.pw):
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        icnr(self.pw.weight, shuffle_factor(self.up))
        for norm in (self.bn1, self.bn2):
            nn.init.ones_(norm.weight)
            nn.init.zeros_(norm.bias)


def upsampling_conv(
    in_channels: int,
    out_channels: int,
    factor: int,
    upsampling: Upsampling,
    *,
    kernel: int,
    bias: bool,
) -> tuple[nn.Conv2d, nn.Module]:
    """Return a convolution and the module after it that makes the map ``factor`` times larger.

    Raises:
        ValueError: ``upsampling`` is unknown.
    """
    if upsampling not in get_args(Upsampling):
        raise ValueError(f"upsampling must be one of {get_args(Upsampling)}, got '{upsampling}'")
    up: nn.Module = nn.Identity()
    width = out_channels
    if factor > 1 and upsampling == "pixelshuffle":
        up, width = nn.PixelShuffle(factor), out_channels * factor**2
    elif factor > 1:
        up = nn.Upsample(scale_factor=float(factor), mode="bilinear", align_corners=False)
    return nn.Conv2d(in_channels, width, kernel, padding=kernel // 2, bias=bias), up


def shuffle_factor(up: nn.Module) -> int:
    """Return the factor of a pixel shuffle, 1 for any other module."""
    return up.upscale_factor if isinstance(up, nn.PixelShuffle) else 1


@torch.no_grad()
def icnr(weight: Tensor, factor: int) -> None:
    """Give all phases of an output channel the kernel of the first, in place.

    Channel ``c * factor^2 + factor * dy + dx`` becomes cell (dy, dx) of output channel ``c``; with
    equal kernels the shuffled map is the nearest upsampling of a plain convolution.

    Args:
        weight: (C x factor^2, in, k, k), already drawn.
        factor: of the pixel shuffle that follows.
    """
    phases = weight.unflatten(0, (-1, factor**2))
    phases.copy_(phases[:, :1].expand_as(phases).clone())
