"""Parts of one's own beside the YAML that uses them: ``IMPORTS: [own_parts.py]``.

A part registers itself under the name that the YAML gives. What each kind must take and declare
stands in ``lib.models.registry`` and, for codecs, in ``lib.codecs.base``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn
from yacs.config import CfgNode

from lib.codecs import CODECS
from lib.codecs.kinds.gaussian import GaussianCodec
from lib.models.registry import BACKBONES, HEADS, NECKS
from lib.structures.pixels import Pixels


@BACKBONES.register("two_strides")
class TwoStrides(nn.Module):
    """Two strided convolutions; sees pixels from -1 to 1, red first.

    Args:
        width: channels of the finer map; the coarser one has twice as many.
    """

    pixels: ClassVar[Pixels] = Pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), rgb=True)

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, width, 7, 4, 3), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(width, 2 * width, 3, 2, 1), nn.ReLU())
        self.out_channels = (width, 2 * width)
        self.out_strides = (4, 8)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (B, 3, H, W) to maps at 1/4 and 1/8."""
        fine = self.first(images)
        return [fine, self.second(fine)]

    def init_weights(self) -> None:
        """Keep PyTorch's initialisation."""


@NECKS.register("add_up")
class AddUp(nn.Module):
    """Enlarges the coarse map and adds it to the fine one."""

    def __init__(self, in_channels: Sequence[int], in_strides: Sequence[int]) -> None:
        super().__init__()
        self.project = nn.Conv2d(in_channels[1], in_channels[0], 1)
        self.factor = in_strides[1] / in_strides[0]
        self.out_channels = (in_channels[0],)
        self.out_strides = (in_strides[0],)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Map [fine, coarse] to [fine]."""
        coarse = nn.functional.interpolate(self.project(maps[1]), scale_factor=self.factor)
        return [maps[0] + coarse]


@HEADS.register("centred")
class CentredHead(nn.Module):
    """A 3x3 convolution, less the mean of each map."""

    gives: ClassVar[str] = "heatmaps"

    def __init__(
        self, in_channels: Sequence[int], in_strides: Sequence[int], num_joints: int
    ) -> None:
        super().__init__()
        self.predict = nn.Conv2d(in_channels[0], num_joints, 3, padding=1)
        self.out_stride = in_strides[0]

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Map a list of (B, C, H, W), of which the first is read, to heatmaps (B, K, h, w)."""
        heatmaps = self.predict(maps[0])
        return heatmaps - heatmaps.mean(dim=(2, 3), keepdim=True)


@CODECS.register("narrow")
@dataclass(frozen=True)
class NarrowCodec(GaussianCodec):
    """Gaussian targets, raised to a power after they were drawn."""

    options: ClassVar[CfgNode] = CfgNode({"POWER": 2.0})  # settings in MODEL.CODEC
    power: float = 2.0

    @classmethod
    def settings(cls, cfg: CfgNode) -> dict[str, Any]:
        """Return the arguments of the constructor that a configuration means."""
        return {**super().settings(cfg), "power": cfg.MODEL.CODEC.POWER}

    def draw(self, cells: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Draw Gaussians raised to ``power``."""
        targets, weights = super().draw(cells, visible)
        return targets.pow(self.power), weights
