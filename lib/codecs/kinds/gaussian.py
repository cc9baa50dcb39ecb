"""Gaussian heatmaps centred on cells (Xiao et al. 2018, Simple Baselines, Sec. 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lib.codecs.base import CODECS
from lib.codecs.kinds.maps import HeatmapCodec

if TYPE_CHECKING:
    from torch import Tensor


@CODECS.register("gaussian")
class GaussianCodec(HeatmapCodec):
    """Peaks on the nearest cell; argmax, then a quarter cell toward the higher neighbour."""

    soft_form = "softargmax"

    def draw(self, cells: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Draw rounded Gaussians."""
        from lib.codecs.heatmap import encode_gaussian

        return encode_gaussian(cells, visible, self.heatmap_size, self.sigma)

    def refine(self, heatmaps: Tensor, cells: Tensor, scores: Tensor) -> Tensor:
        """Do the quarter-cell step."""
        from lib.codecs.heatmap import quarter_offset

        return quarter_offset(heatmaps, cells)
