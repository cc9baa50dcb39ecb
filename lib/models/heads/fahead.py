"""FAHead (final attention) and the sum head it improves on: MEMe, Sensors 2022, 22(2), 632."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from lib.models.heads.base import HeatmapsHead
from lib.models.joints import Channels, channels_of
from lib.models.registry import HEADS


class _LevelHead(HeatmapsHead):
    """One map per joint from every level; how levels are joined is what subclasses say.

    Args:
        in_channels: channels of the maps, fine to coarse.
        in_strides: their strides in input pixels, each a multiple of the one before.
        num_joints: heatmaps to predict.
        scale: weight that the last batch-norms start with; 1 as published. A small one starts near
            constant heatmaps, which short trainings without pretrained weights need.

    Attributes:
        out_stride: stride of the heatmaps in input pixels.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        in_strides: Sequence[int],
        num_joints: int,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.out_stride = in_strides[0]
        self.factors = [coarse // fine for fine, coarse in pairwise(in_strides)]
        self.layers = nn.ModuleList()
        for width in in_channels:
            norm = nn.BatchNorm2d(num_joints, eps=1e-3, momentum=0.01)
            nn.init.constant_(norm.weight, scale)
            self.layers.append(nn.Sequential(nn.Conv2d(width, num_joints, 1, bias=False), norm))

    def joint_channels(self, joints: Sequence[str]) -> Channels:
        """Return which outputs of every level, and of its batch-norm, belong to which joint."""
        found: Channels = {}
        for i, (conv, norm) in enumerate(map(nn.Module.children, self.layers)):
            found |= channels_of(conv, f"layers.{i}.0", joints)
            found |= channels_of(norm, f"layers.{i}.1", joints)
        return found

    def init_weights(self) -> None:
        """Keep PyTorch's default: batch-norm follows at once, so the scale does not matter."""


@HEADS.register("fahead")
class FAHead(_LevelHead):
    """Product over levels of sigmoid maps: coarse levels gate the finest one."""

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Map a list of (B, C_i, H_i, W_i) to heatmaps (B, K, H_0, W_0) in (0, 1)."""
        gates = [layer(x).sigmoid() for layer, x in zip(self.layers, maps, strict=True)]
        product = gates[-1]
        for gate, factor in zip(gates[-2::-1], self.factors[::-1], strict=True):
            product = _enlarge(product, factor) * gate
        return product


@HEADS.register("sumhead")
class SumHead(_LevelHead):
    """Sum over levels, without activation."""

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Map a list of (B, C_i, H_i, W_i) to heatmaps (B, K, H_0, W_0)."""
        levels = [layer(x) for layer, x in zip(self.layers, maps, strict=True)]
        total = levels[-1]
        for level, factor in zip(levels[-2::-1], self.factors[::-1], strict=True):
            total = _enlarge(total, factor) + level
        return total


def _enlarge(x: Tensor, factor: int) -> Tensor:
    # From coarse to fine, step by step: equal to enlarging each level at once, and cheaper.
    return F.interpolate(x, scale_factor=float(factor), mode="nearest")
