"""What heads that give heatmaps have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from lib.models.joints import Channels, channels_of


class HeatmapsHead(nn.Module):
    """Gives heatmaps; a ``final_layer`` predicts them, unless ``joint_channels`` says otherwise."""

    gives: ClassVar[str] = "heatmaps"
    final_layer: nn.Conv2d

    def joint_channels(self, joints: Sequence[str]) -> Channels:
        """Return which outputs of the last convolution belong to which joint."""
        return channels_of(self.final_layer, "final_layer", joints)
