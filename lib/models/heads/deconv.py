"""Transposed convolutions from the coarsest map up to heatmaps.

Xiao et al., Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018, Section 2. The
light form (Zhang et al., Simple and Lightweight Human Pose Estimation, 2019) groups each transposed
convolution as far as it goes and lets a 1x1 convolution mix the channels after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

from torch import Tensor, nn

from lib.models.heads.base import HeatmapsHead
from lib.models.layers.blocks import conv_bn
from lib.models.registry import HEADS

PADDING = {4: (1, 0), 3: (1, 1), 2: (0, 0)}  # kernel -> (padding, output padding): size doubles


@HEADS.register("deconv")
class DeconvHead(HeatmapsHead):
    """Doubles the coarsest map some times, then predicts one heatmap per joint.

    Args:
        in_channels: channels of the maps, fine to coarse.
        in_strides: their strides in input pixels.
        num_joints: heatmaps to predict.
        filters: channels after each doubling.
        kernels: size of each transposed convolution: 2, 3 or 4.
        grouped: group the transposed convolutions and add a 1x1 convolution after each.
        bias: give the transposed convolutions a bias.
        final_kernel: size of the last convolution, 1 or 3.

    Attributes:
        out_stride: stride of the heatmaps in input pixels.

    Raises:
        ValueError: ``filters`` and ``kernels`` differ in length, a kernel is not 2, 3 or 4, or the
            map would become finer than the image.
    """

    recomputable = ("deconv_layers",)

    def __init__(
        self,
        in_channels: Sequence[int],
        in_strides: Sequence[int],
        num_joints: int,
        *,
        filters: Sequence[int] = (256, 256, 256),
        kernels: Sequence[int] = (4, 4, 4),
        grouped: bool = False,
        bias: bool = False,
        final_kernel: int = 1,
    ) -> None:
        super().__init__()
        _check(filters, kernels, in_strides[-1])
        layers: list[nn.Module] = []
        channels = in_channels[-1]
        for width, kernel in zip(filters, kernels, strict=True):
            layers += doubling(channels, width, kernel, grouped=grouped, bias=bias)
            channels = width
        self.deconv_layers = nn.Sequential(*layers)
        self.final_layer = nn.Conv2d(channels, num_joints, final_kernel, padding=final_kernel // 2)
        self.out_stride = in_strides[-1] // 2 ** len(filters)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Map a list of (B, C, H, W), of which the last is read, to heatmaps (B, K, h, w)."""
        return self.final_layer(self.deconv_layers(maps[-1]))


def _check(filters: Sequence[int], kernels: Sequence[int], stride: int) -> None:
    if len(filters) != len(kernels):
        raise ValueError(f"{len(filters)} filters and {len(kernels)} kernels: give one of each")
    if not set(kernels) <= set(PADDING):
        raise ValueError(f"transposed convolutions are 2, 3 or 4 wide, got kernels {list(kernels)}")
    if stride % 2 ** len(filters):
        raise ValueError(f"stride {stride} cannot be halved {len(filters)} times")


def doubling(
    in_channels: int, width: int, kernel: int, *, grouped: bool = False, bias: bool = False
) -> list[nn.Module]:
    """Return a transposed convolution that doubles a map, its batch-norm and ReLU.

    Args:
        in_channels: channels before.
        width: channels after.
        kernel: 2, 3 or 4.
        grouped: group it as far as it goes, and let a 1x1 convolution mix the channels after it.
        bias: give it a bias.
    """
    padding, extra = PADDING[kernel]
    groups = gcd(in_channels, width) if grouped else 1
    layers: list[nn.Module] = [
        nn.ConvTranspose2d(in_channels, width, kernel, 2, padding, extra, groups=groups, bias=bias),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    ]
    if grouped:
        layers += [*conv_bn(width, width, 1), nn.ReLU(inplace=True)]
    return layers
