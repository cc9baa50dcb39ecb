"""ResNet (He et al., CVPR 2016) with a choice of block and of the last stride."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from lib.models.layers.blocks import (
    BasicBlock,
    Bottleneck,
    ResidualBlock,
    conv_bn,
    make_layer,
)
from lib.models.registry import BACKBONES

DEPTHS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}
WIDTHS = (64, 128, 256, 512)


class ResNet(nn.Module):
    """Stem and four layers of residual blocks.

    Args:
        block: class or factory of the blocks, called ``(in_channels, channels, stride,
            downsample)``; light networks bring their own.
        layers: number of blocks in each of the four layers.
        expansion: output channels of a block / its ``channels``.
        last_stride: stride of the fourth layer, 2, or 1 to stay at 1/16.

    Attributes:
        out_channels: channels of the four maps.
        out_strides: their strides in input pixels.
    """

    recomputable = ("layer?.*",)

    def __init__(
        self,
        block: ResidualBlock,
        layers: Sequence[int],
        *,
        expansion: int,
        last_stride: int = 2,
    ) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(3, 64, 7, stride=2)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        strides = (1, 2, 2, last_stride)
        channels = 64
        stages: list[nn.Sequential] = []
        for width, count, stride in zip(WIDTHS, layers, strides, strict=True):
            stages.append(
                make_layer(block, channels, width, count, expansion=expansion, stride=stride)
            )
            channels = width * expansion
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.out_channels = tuple(width * expansion for width in WIDTHS)
        self.out_strides = (4, 8, 16, 16 * last_stride)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (B, 3, H, W) to four maps at 1/4, 1/8, 1/16 and the last stride."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        maps: list[Tensor] = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            maps.append(x)
        return maps


@BACKBONES.register("resnet")
def resnet(depth: int = 50, last_stride: int = 2) -> ResNet:
    """Return ResNet-18, 34, 50, 101 or 152.

    Raises:
        ValueError: ``depth`` is none of these.
    """
    if depth not in DEPTHS:
        raise ValueError(f"depth must be one of {sorted(DEPTHS)}, got {depth}")
    block, layers = DEPTHS[depth]
    return ResNet(block, layers, expansion=block.expansion, last_stride=last_stride)
