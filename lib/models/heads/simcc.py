"""Two linear layers from K small maps to the bins of both axes (Li et al., SimCC, ECCV 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from lib.models.heads.deconv import DeconvHead
from lib.models.heads.heatmap import HeatmapHead
from lib.models.layers.blocks import init_parts
from lib.models.registry import HEADS
from lib.structures.geometry import Size


class SimccHead(nn.Module):
    """Classifies the cells of one map per joint into bins, alike for all joints.

    Args:
        maps: a head that gives heatmaps (B, K, h, w), with ``out_stride``.
        input_size: ``(width, height)`` of the images; the linear layers hold for no other.
        bins: ``(Wx, Wy)``.

    Attributes:
        bins: as given.
        out_stride: stride of the K maps in input pixels.
    """

    gives: ClassVar[str] = "simcc"

    def __init__(self, maps: nn.Module, input_size: Size, bins: Size) -> None:
        super().__init__()
        self.maps = maps
        stride = maps.out_stride
        assert isinstance(stride, int)
        self.out_stride = stride
        self.bins = (int(bins[0]), int(bins[1]))
        cells = (input_size[0] // stride) * (input_size[1] // stride)
        self.mlp_head_x = nn.Linear(cells, self.bins[0])
        self.mlp_head_y = nn.Linear(cells, self.bins[1])

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Map a list of (B, C, H, W) to logits ``[(B, K, Wx), (B, K, Wy)]``."""
        cells = self.maps(maps).flatten(2)  # row by row
        return [self.mlp_head_x(cells), self.mlp_head_y(cells)]

    def init_weights(self) -> None:
        """Draw convolutions N(0, 0.001) and the linear layers N(0, 0.01), biases 0."""
        init_parts(self.maps)
        for layer in (self.mlp_head_x, self.mlp_head_y):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)


@HEADS.register("simcc")
def simcc_head(
    in_channels: Sequence[int],
    in_strides: Sequence[int],
    num_joints: int,
    *,
    input_size: Size | None,
    bins: Size,
    filters: Sequence[int] = (),
    kernels: Sequence[int] = (),
    level: int = 0,
) -> SimccHead:
    """Return a SimCC head on the finest map, or on the coarsest after some doublings.

    Args:
        in_channels: channels of the maps, fine to coarse.
        in_strides: their strides in input pixels.
        num_joints: K.
        input_size: ``(width, height)`` of the images.
        bins: ``(Wx, Wy)``.
        filters: channels after each doubling of the coarsest map.
        kernels: size of each transposed convolution: 2, 3 or 4.
        level: which map is read if there are no doublings.

    Raises:
        ValueError: images differ in size, or the arguments do not fit together.
    """
    if input_size is None:
        raise ValueError("a SimCC head needs images of one size")
    maps: nn.Module
    if len(filters) or len(kernels):
        maps = DeconvHead(in_channels, in_strides, num_joints, filters=filters, kernels=kernels)
    else:
        maps = HeatmapHead(in_channels, in_strides, num_joints, level=level)
    return SimccHead(maps, input_size, bins)
