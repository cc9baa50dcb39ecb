"""TFNeck: a chain of TotalFusion layers (MEMe, Sensors 2022, 22(2), 632)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from lib.models.layers.sizes import require_multiple
from lib.models.layers.total_fusion import TotalFusion, init_fusions
from lib.models.registry import NECKS


@NECKS.register("tfneck")
class TFNeck(nn.Module):
    """Fuses all maps some times over, at one width.

    Args:
        in_channels: channels of the maps, fine to coarse.
        in_strides: their strides; each twice the one before.
        channels: channels of every output.
        repeats: number of TotalFusion layers.
        drop_path: rate of stochastic depth in each of them.

    Attributes:
        out_channels: ``channels`` for each map.
        out_strides: ``in_strides``.
        size_multiple: both sides of the images must be multiples of this.

    Raises:
        ValueError: the strides do not double.
    """

    recomputable = ("layers.*",)

    def __init__(
        self,
        in_channels: Sequence[int],
        in_strides: Sequence[int],
        *,
        channels: int = 64,
        repeats: int = 3,
        drop_path: float = 0.2,
    ) -> None:
        super().__init__()
        if any(coarse != 2 * fine for fine, coarse in pairwise(in_strides)):
            raise ValueError(f"TFNeck needs strides that double, got {tuple(in_strides)}")
        self.out_channels = (channels,) * len(in_channels)
        self.out_strides = tuple(in_strides)
        self.size_multiple = in_strides[-1]
        widths = [tuple(in_channels), *[self.out_channels] * (repeats - 1)]
        self.layers = nn.Sequential(
            *(TotalFusion(before, self.out_channels, drop_path) for before in widths)
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Map a list of (B, C_i, H_i, W_i) to maps (B, channels, H_i, W_i).

        Raises:
            ValueError: a map is not exactly half the size of the one before.
        """
        require_multiple(maps[0], self.out_strides[0], self.size_multiple, "TFNeck")
        return self.layers(maps)

    def init_weights(self) -> None:
        """Start the layers by their own rule."""
        init_fusions(self)
