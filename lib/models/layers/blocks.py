"""Residual blocks, convolution + batch-norm, initialisation.

He et al., Deep Residual Learning for Image Recognition, CVPR 2016. Attribute names are those of the
published checkpoints. The stride of a bottleneck sits on its 3x3 convolution, as in torchvision and
the HRNet family (the paper puts it on the first 1x1).
"""

from __future__ import annotations

from typing import ClassVar, Protocol

from torch import Tensor, nn


class ResidualBlock(Protocol):
    """How ``make_layer`` calls a block class or factory."""

    def __call__(
        self, in_channels: int, channels: int, stride: int = 1, downsample: nn.Module | None = None
    ) -> nn.Module:
        """Return a block from ``in_channels`` to ``channels x expansion`` channels."""
        ...


def conv_bn(
    in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """Return a bias-free convolution that keeps the size at stride 1, and its batch-norm."""
    conv = nn.Conv2d(
        in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
    )
    return conv, nn.BatchNorm2d(out_channels)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    expansion: ClassVar[int] = 1

    def __init__(
        self, in_channels: int, channels: int, stride: int = 1, downsample: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(in_channels, channels, 3, stride=stride)
        self.conv2, self.bn2 = conv_bn(channels, channels, 3)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample if downsample is not None else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, channels, H / stride, W / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut; four times ``channels`` come out."""

    expansion: ClassVar[int] = 4

    def __init__(
        self, in_channels: int, channels: int, stride: int = 1, downsample: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(in_channels, channels, 1)
        self.conv2, self.bn2 = conv_bn(channels, channels, 3, stride=stride)
        self.conv3, self.bn3 = conv_bn(channels, channels * self.expansion, 1)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample if downsample is not None else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, 4 channels, H / stride, W / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + self.downsample(x))


BLOCKS: dict[str, type[BasicBlock] | type[Bottleneck]] = {
    "BASIC": BasicBlock,
    "BOTTLENECK": Bottleneck,
}


def make_layer(
    block: ResidualBlock,
    in_channels: int,
    channels: int,
    blocks: int,
    *,
    expansion: int,
    stride: int = 1,
) -> nn.Sequential:
    """Stack ``blocks`` blocks; the first strides, and projects its shortcut where shapes differ.

    Returns:
        A sequence from ``in_channels`` to ``channels x expansion`` channels.
    """
    out_channels = channels * expansion
    downsample = None
    if stride != 1 or in_channels != out_channels:
        downsample = nn.Sequential(*conv_bn(in_channels, out_channels, 1, stride=stride))
    first = block(in_channels, channels, stride, downsample)
    return nn.Sequential(first, *(block(out_channels, channels) for _ in range(blocks - 1)))


def init_parts(*parts: nn.Module | None) -> None:
    """Initialise parts of a network: each by its own ``init_weights``, or by ``init_normal``."""
    for part in parts:
        own = getattr(part, "init_weights", None)
        if own is not None:
            own()
        elif part is not None:
            init_normal(part)


def init_normal(network: nn.Module, std: float = 0.001, *, clear_biases: bool = True) -> None:
    """Start as the HRNet family does: convolutions N(0, std), their biases 0, batch-norm (1, 0).

    Everything else (linear layers, layer norms, tables) keeps what its constructor drew; so do the
    biases of convolutions without ``clear_biases``, as LPN has it.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None and clear_biases:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
