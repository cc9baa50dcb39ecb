"""Heatmaps, and from the same map's mean one logit per joint: is it in the picture at all?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from lib.models.heads.heatmap import HeatmapHead
from lib.models.registry import HEADS


@HEADS.register("presence")
class PresenceHead(HeatmapHead):
    """A ``heatmap`` head with a linear layer on channel means beside it.

    Arguments as for `HeatmapHead`, and ``presence_level``: which map presence is read from; -1 is
    the coarsest.

    Raises:
        ValueError: there is no such map.
    """

    gives: ClassVar[str] = "heatmaps and presence"

    def __init__(
        self,
        in_channels: Sequence[int],
        in_strides: Sequence[int],
        num_joints: int,
        *,
        kernel: int = 1,
        level: int = 0,
        presence_level: int = -1,
    ) -> None:
        super().__init__(in_channels, in_strides, num_joints, kernel=kernel, level=level)
        if not -len(in_channels) <= presence_level < len(in_channels):
            raise ValueError(
                f"presence_level must be one of {len(in_channels)} maps, got {presence_level}"
            )
        self.presence_level = presence_level
        self.presence_layer = nn.Linear(in_channels[presence_level], num_joints)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Map a list of (B, C, H, W) to heatmaps (B, K, h, w) and logits (B, K)."""
        means = maps[self.presence_level].mean(dim=(2, 3))
        return [super().forward(maps), self.presence_layer(means)]
