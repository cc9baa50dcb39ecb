"""CSPNeXt, the trunk of RTMDet and RTMPose (Lyu et al., RTMDet, 2022; Jiang et al., RTMPose, 2023).

Attribute names are those of the published files. Batch-norms have PyTorch's constants, as in
RTMPose; trunks of detectors were trained with others (1e-3, 0.03).
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.models.registry import BACKBONES

WIDTHS = (64, 128, 256, 512, 1024)  # of stem and stages, at width factor 1
DEPTHS = (3, 6, 6, 3)  # blocks of the stages, at depth factor 1
STRIDES = (4, 8, 16, 32)
POOLS = (5, 9, 13)  # of the spatial pyramid
DEPTHWISE = 5  # side of the depthwise kernels


class ConvUnit(nn.Sequential):
    """Convolution without bias, batch-norm, SiLU; (B, C, H, W) keeps its size at stride 1."""

    def __init__(
        self, in_channels: int, channels: int, kernel: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        conv = nn.Conv2d(
            in_channels, channels, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        parts = {"conv": conv, "bn": nn.BatchNorm2d(channels), "act": nn.SiLU(inplace=True)}
        super().__init__(OrderedDict(parts))


class SeparableUnit(nn.Sequential):
    """A depthwise 5x5 unit and a 1x1 unit."""

    def __init__(self, channels: int) -> None:
        parts = {
            "depthwise_conv": ConvUnit(channels, channels, DEPTHWISE, groups=channels),
            "pointwise_conv": ConvUnit(channels, channels, 1),
        }
        super().__init__(OrderedDict(parts))


class CSPNeXtBlock(nn.Module):
    """A 3x3 and a separable unit, beside a shortcut if ``identity``; nothing follows the sum."""

    def __init__(self, channels: int, identity: bool) -> None:
        super().__init__()
        self.conv1 = ConvUnit(channels, channels, 3)
        self.conv2 = SeparableUnit(channels)
        self.identity = identity

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        y = self.conv2(self.conv1(x))
        return x + y if self.identity else y


class ChannelAttention(nn.Module):
    """Scales each channel by a hard sigmoid of a linear map of all channels' means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return x * F.hardsigmoid(self.fc(x.mean(dim=(2, 3), keepdim=True)))


class CSPLayer(nn.Module):
    """Half the channels through blocks, half past them; then attention and a 1x1 unit.

    Args:
        channels: of the map, even.
        blocks: number of them.
        identity: whether blocks have a shortcut.
    """

    def __init__(self, channels: int, blocks: int, identity: bool) -> None:
        super().__init__()
        half = channels // 2
        self.main_conv = ConvUnit(channels, half, 1)
        self.short_conv = ConvUnit(channels, half, 1)
        self.blocks = nn.Sequential(*(CSPNeXtBlock(half, identity) for _ in range(blocks)))
        self.attention = ChannelAttention(2 * half)
        self.final_conv = ConvUnit(2 * half, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        joined = torch.cat([self.blocks(self.main_conv(x)), self.short_conv(x)], dim=1)
        return self.final_conv(self.attention(joined))


class SPP(nn.Module):
    """Spatial pyramid: maxima over windows of three sizes beside the map itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = ConvUnit(channels, half, 1)
        self.conv2 = ConvUnit(half * (1 + len(POOLS)), channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        x = self.conv1(x)
        pools = [F.max_pool2d(x, side, stride=1, padding=side // 2) for side in POOLS]
        return self.conv2(torch.cat([x, *pools], dim=1))


@BACKBONES.register("cspnext")
class CSPNeXt(nn.Module):
    """Stem and four stages.

    Args:
        deepen_factor: of the numbers of blocks: 0.167 in tiny, 0.33 small, 0.67 medium, 1 large.
        widen_factor: of the widths: 0.375, 0.5, 0.75, 1.

    Attributes:
        out_channels, out_strides: of the four maps.

    Raises:
        ValueError: the widths come out odd or as nothing.
    """

    recomputable = ("stem", "stage?.*")

    def __init__(self, deepen_factor: float = 1.0, widen_factor: float = 1.0) -> None:
        super().__init__()
        widths = [int(channels * widen_factor) for channels in WIDTHS]
        if any(channels < 2 or channels % 2 for channels in widths):
            raise ValueError(
                f"widen_factor {widen_factor:g} gives widths {widths}; all must be even"
            )
        half = widths[0] // 2
        self.stem = nn.Sequential(
            ConvUnit(3, half, 3, stride=2), ConvUnit(half, half, 3), ConvUnit(half, widths[0], 3)
        )
        for number, blocks in enumerate(DEPTHS, start=1):
            last = number == len(DEPTHS)
            parts: list[nn.Module] = [ConvUnit(widths[number - 1], widths[number], 3, stride=2)]
            if last:
                parts.append(SPP(widths[number]))
            count = max(round(blocks * deepen_factor), 1)  # halves to even, as published
            parts.append(CSPLayer(widths[number], count, identity=not last))
            self.add_module(f"stage{number}", nn.Sequential(*parts))
        self.out_channels = tuple(widths[1:])
        self.out_strides = STRIDES

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (B, 3, H, W) to four maps at 1/4, 1/8, 1/16 and 1/32."""
        x = self.stem(images)
        maps: list[Tensor] = []
        for number in range(1, len(DEPTHS) + 1):
            x = self.get_submodule(f"stage{number}")(x)
            maps.append(x)
        return maps

    def init_weights(self) -> None:
        """Keep PyTorch's defaults: Kaiming uniform with a = sqrt(5), batch-norms 1 and 0."""
