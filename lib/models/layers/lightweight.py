"""Light residual blocks of LPN (Zhang et al., Simple and Lightweight Human Pose Estimation, 2019).

Attribute names are those of the published checkpoints. As many channels come out as ``channels``
says, and attention acts before the shortcut is added.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from lib.models.layers.attention import make_attention
from lib.models.layers.blocks import conv_bn


class _LightBlock(nn.Module):
    """Convolutions, attention, and a shortcut.

    Args:
        in_channels: channels of the input.
        channels: channels of the output, and between the convolutions.
        stride: of the one convolution that has one.
        downsample: what brings the input to the output's shape, None for nothing.
        attention: ``GC``, ``SE`` or ``''``.
        group_width: input channels per group of a 3x3 convolution: 1, or 2 in the 'h' variants.
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
        self._add_convolutions(in_channels, channels, stride, group_width)
        self.relu = nn.ReLU(inplace=True)
        self.att = make_attention(attention, channels)
        self.downsample = downsample if downsample is not None else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, channels, H / stride, W / stride)."""
        return self.relu(self.att(self._convolve(x)) + self.downsample(x))

    def _add_convolutions(
        self, in_channels: int, channels: int, stride: int, group_width: int
    ) -> None:
        raise NotImplementedError

    def _convolve(self, x: Tensor) -> Tensor:
        raise NotImplementedError


class LightBasicBlock(_LightBlock):
    """Two grouped 3x3 convolutions; channels mix in shortcuts and attention only.

    The first convolution has the stride.
    """

    def _add_convolutions(
        self, in_channels: int, channels: int, stride: int, group_width: int
    ) -> None:
        self.conv1, self.bn1 = conv_bn(
            in_channels, channels, 3, stride=stride, groups=in_channels // group_width
        )
        self.conv2, self.bn2 = conv_bn(channels, channels, 3, groups=channels // group_width)

    def _convolve(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(y))


class LightBottleneck(_LightBlock):
    """1x1, grouped 3x3, 1x1 convolutions, all of one width; the 3x3 one has the stride."""

    def _add_convolutions(
        self, in_channels: int, channels: int, stride: int, group_width: int
    ) -> None:
        self.conv1, self.bn1 = conv_bn(in_channels, channels, 1)
        self.conv2, self.bn2 = conv_bn(
            channels, channels, 3, stride=stride, groups=channels // group_width
        )
        self.conv3, self.bn3 = conv_bn(channels, channels, 1)

    def _convolve(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.bn3(self.conv3(y))
