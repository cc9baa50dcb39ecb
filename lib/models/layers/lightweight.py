"""Light residual blocks of LPN (Zhang et al., Simple and Lightweight Human Pose Estimation, 2019).

Attribute names are those of the published checkpoints. As many channels come out as ``channels``
says, and attention acts before the shortcut is added.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from lib.models.layers.attention import make_attention
from lib.models.layers.blocks import conv_bn


class LightBasicBlock(nn.Module):
    """Two grouped 3x3 convolutions; channels mix in shortcuts and attention only.

    Args:
        in_channels: channels of the input.
        channels: channels of the output.
        stride: of the first convolution.
        downsample: what brings the input to the output's shape, None for nothing.
        attention: ``GC``, ``SE`` or ``''``.
        group_width: input channels per group: 1, or 2 in the 'h' variants.
    """

    expansion: ClassVar[int] = 1

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        *,
        attention: str = "GC",
        group_width: int = 1,
    ) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(
            in_channels, channels, 3, stride=stride, groups=in_channels // group_width
        )
        self.conv2, self.bn2 = conv_bn(channels, channels, 3, groups=channels // group_width)
        self.relu = nn.ReLU(inplace=True)
        self.att = make_attention(attention, channels)
        self.downsample = downsample if downsample is not None else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, channels, H / stride, W / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.att(self.bn2(self.conv2(y)))
        return self.relu(y + self.downsample(x))


class LightBottleneck(nn.Module):
    """1x1, depthwise 3x3, 1x1 convolutions, all of one width.

    Args:
        in_channels: channels of the input.
        channels: channels inside and of the output.
        stride: of the depthwise convolution.
        downsample: what brings the input to the output's shape, None for nothing.
        attention: ``GC``, ``SE`` or ``''``.
    """

    expansion: ClassVar[int] = 1

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        *,
        attention: str = "GC",
    ) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(in_channels, channels, 1)
        self.conv2, self.bn2 = conv_bn(channels, channels, 3, stride=stride, groups=channels)
        self.conv3, self.bn3 = conv_bn(channels, channels, 1)
        self.relu = nn.ReLU(inplace=True)
        self.att = make_attention(attention, channels)
        self.downsample = downsample if downsample is not None else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, channels, H / stride, W / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.att(self.bn3(self.conv3(y)))
        return self.relu(y + self.downsample(x))
