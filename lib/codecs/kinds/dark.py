"""DARK: unrounded whole-map Gaussians, a Newton step (Zhang et al. 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lib.codecs.base import CODECS
from lib.codecs.kinds.maps import NewtonCodec

if TYPE_CHECKING:
    from torch import Tensor


@CODECS.register("dark")
class DarkCodec(NewtonCodec):
    """Unrounded Gaussians over the whole map; argmax, then the Newton step."""

    def draw(self, cells: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Draw unrounded Gaussians."""
        from lib.codecs.heatmap import encode_dark

        return encode_dark(cells, visible, self.heatmap_size, self.sigma)

    def refine(self, heatmaps: Tensor, cells: Tensor, scores: Tensor) -> Tensor:
        """Do the Newton step."""
        from lib.codecs.dark import refine_dark

        return refine_dark(heatmaps, cells, scores, self.width)
