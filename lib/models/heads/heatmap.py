"""One convolution from the finest map to heatmaps, as in HRNet."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from lib.models.heads.base import HeatmapsHead
from lib.models.registry import HEADS


@HEADS.register("heatmap")
class HeatmapHead(HeatmapsHead):
    """Predicts one heatmap per joint from one of the maps.

    Args:
        in_channels: channels of the maps, fine to coarse.
        in_strides: their strides in input pixels.
        num_joints: heatmaps to predict.
        kernel: size of the convolution, 1 or 3.
        level: which map is read; 0 is the finest.

    Attributes:
        out_stride: stride of the heatmaps in input pixels.

    Raises:
        ValueError: there is no such map.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        in_strides: Sequence[int],
        num_joints: int,
        *,
        kernel: int = 1,
        level: int = 0,
    ) -> None:
        super().__init__()
        if not -len(in_channels) <= level < len(in_channels):
            raise ValueError(f"level must be one of {len(in_channels)} maps, got {level}")
        self.level = level
        self.out_stride = in_strides[level]
        self.final_layer = nn.Conv2d(in_channels[level], num_joints, kernel, padding=kernel // 2)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Map a list of (B, C, H, W) to heatmaps (B, K, h, w)."""
        return self.final_layer(maps[self.level])
