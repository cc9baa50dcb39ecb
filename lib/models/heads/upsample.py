"""ViTPose's simple decoder: enlarge the coarsest map bilinearly, then one 3x3 convolution.

Xu et al., ViTPose: Simple Vision Transformer Baselines for Human Pose Estimation, NeurIPS 2022. The
ReLU comes before the enlargement, as in the released code.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from lib.models.heads.base import HeatmapsHead
from lib.models.registry import HEADS


@HEADS.register("upsample")
class UpsampleHead(HeatmapsHead):
    """ReLU, bilinear enlargement and a convolution to one heatmap per joint.

    Args:
        in_channels: channels of the maps, fine to coarse; the coarsest is read.
        in_strides: their strides in input pixels.
        num_joints: heatmaps to predict.
        factor: of the enlargement; it must divide the stride.
        kernel: size of the convolution, 1 or 3.

    Attributes:
        out_stride: stride of the heatmaps in input pixels.

    Raises:
        ValueError: ``factor`` does not divide the stride.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        in_strides: Sequence[int],
        num_joints: int,
        *,
        factor: int = 4,
        kernel: int = 3,
    ) -> None:
        super().__init__()
        if factor < 1 or in_strides[-1] % factor:
            raise ValueError(f"factor must divide the stride {in_strides[-1]}, got {factor}")
        self.factor = float(factor)
        self.out_stride = in_strides[-1] // factor
        self.final_layer = nn.Conv2d(in_channels[-1], num_joints, kernel, padding=kernel // 2)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Map a list of (B, C, H, W), of which the last is read, to heatmaps (B, K, h, w)."""
        x = F.interpolate(F.relu(maps[-1]), scale_factor=self.factor, mode="bilinear")
        return self.final_layer(x)
