"""RTMPose's head: joints as tokens, gated attention among them, a classification per axis.

Jiang et al., RTMPose: Real-Time Multi-Person Pose Estimation based on MMPose, 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from lib.models.joints import Channels, channels_of
from lib.models.layers.gated_attention import GatedAttention, ScaleNorm
from lib.models.registry import HEADS

KERNEL = 7  # of the convolution that makes a map of each joint


@HEADS.register("rtmcc")
class RTMCCHead(nn.Module):
    """Reads the coarsest map and answers with logits over the bins of x and of y.

    Args:
        in_channels: channels of the maps, fine to coarse; the coarsest is read.
        in_strides: their strides in input pixels.
        num_joints: K.
        input_size: ``(width, height)`` of the images; the linear layers hold for no other.
        bins: ``(Wx, Wy)``.
        hidden: width of a joint's token.
        expansion: width of values and gate of the attention / ``hidden``.
        shared: width of its queries and keys.

    Attributes:
        bins: as given.
        out_stride: stride of the map that is read.

    Raises:
        ValueError: the size of the images is not known.
    """

    gives: ClassVar[str] = "simcc"

    def __init__(
        self,
        in_channels: Sequence[int],
        in_strides: Sequence[int],
        num_joints: int,
        *,
        input_size: Sequence[int] | None,
        bins: Sequence[int],
        hidden: int = 256,
        expansion: int = 2,
        shared: int = 128,
    ) -> None:
        super().__init__()
        if input_size is None:
            raise ValueError("the RTMCC head needs images of one size")
        self.out_stride = in_strides[-1]
        self.bins = (int(bins[0]), int(bins[1]))
        cells = (input_size[0] // self.out_stride) * (input_size[1] // self.out_stride)
        self.final_layer = nn.Conv2d(in_channels[-1], num_joints, KERNEL, padding=KERNEL // 2)
        self.mlp = nn.Sequential(ScaleNorm(cells), nn.Linear(cells, hidden, bias=False))
        self.gau = GatedAttention(hidden, expansion, shared)
        self.cls_x = nn.Linear(hidden, self.bins[0], bias=False)
        self.cls_y = nn.Linear(hidden, self.bins[1], bias=False)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Map a list of (B, C, H, W) to logits ``[(B, K, Wx), (B, K, Wy)]``."""
        cells = self.final_layer(maps[-1]).flatten(2)  # (B, K, H W), row by row
        tokens = self.gau(self.mlp(cells))
        return [self.cls_x(tokens), self.cls_y(tokens)]

    def joint_channels(self, joints: Sequence[str]) -> Channels:
        """Return which outputs of the last convolution belong to which joint."""
        return channels_of(self.final_layer, "final_layer", joints)

    def init_weights(self) -> None:
        """Draw the convolution N(0, 0.001), bias 0, and the linear layers N(0, 0.01)."""
        nn.init.normal_(self.final_layer.weight, std=0.001)
        assert self.final_layer.bias is not None
        nn.init.zeros_(self.final_layer.bias)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
