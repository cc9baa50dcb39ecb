"""A 3x3 convolution and a pixel shuffle from the finest map to heatmaps."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from lib.models.heads.base import HeatmapsHead
from lib.models.joints import Channels, channels_of
from lib.models.layers.subpixel import Upsampling, icnr, shuffle_factor, upsampling_conv
from lib.models.registry import HEADS


@HEADS.register("subpixel")
class SubPixelHead(HeatmapsHead):
    """Predicts the cells of finer heatmaps as channels and shuffles them into place.

    Args:
        in_channels: channels of the maps, fine to coarse; the finest is read.
        in_strides: their strides in input pixels.
        num_joints: heatmaps to predict.
        out_stride: stride of the heatmaps in input pixels; it must divide the map's. Where both are
            equal nothing is shuffled.
        upsampling: ``pixelshuffle``, or ``bilinear`` for comparison.

    Raises:
        ValueError: ``out_stride`` does not divide the stride of the finest map.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        in_strides: Sequence[int],
        num_joints: int,
        *,
        out_stride: int = 1,
        upsampling: Upsampling = "pixelshuffle",
    ) -> None:
        super().__init__()
        if out_stride < 1 or in_strides[0] % out_stride:
            raise ValueError(f"out_stride must divide {in_strides[0]}, got {out_stride}")
        self.out_stride = out_stride
        self.num_joints = num_joints
        factor = in_strides[0] // out_stride
        self.predict, self.up = upsampling_conv(
            in_channels[0], num_joints, factor, upsampling, kernel=3, bias=True
        )
        self.init_weights()

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Map a list of (B, C, H, W), of which the first is read, to heatmaps (B, K, h, w)."""
        return self.up(self.predict(maps[0]))

    def joint_channels(self, joints: Sequence[str]) -> Channels:
        """Return which outputs of the convolution belong to which joint: its phases, in a row."""
        phases = self.predict.out_channels // self.num_joints
        labels = [f"{joint} {phase}" for joint in joints for phase in range(phases)]
        return channels_of(self.predict, "predict", labels)

    def init_weights(self) -> None:
        """Draw N(0, 0.001) with equal phases (ICNR), biases 0."""
        nn.init.normal_(self.predict.weight, std=0.001)
        icnr(self.predict.weight, shuffle_factor(self.up))
        assert self.predict.bias is not None
        nn.init.zeros_(self.predict.bias)
