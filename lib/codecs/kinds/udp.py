"""UDP: lengths between pixel centres, unrounded targets, a Newton step (Huang et al. 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lib.codecs.base import CODECS
from lib.codecs.kinds.maps import NewtonCodec

if TYPE_CHECKING:
    from torch import Tensor


@CODECS.register("udp")
class UdpCodec(NewtonCodec):
    """Unrounded Gaussians cut at 3 sigma on unbiased maps; argmax, then the Newton step."""

    unbiased: ClassVar[bool] = True

    def draw(self, cells: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Draw unrounded Gaussians."""
        from lib.codecs.heatmap import encode_udp

        return encode_udp(cells, visible, self.heatmap_size, self.sigma)

    def refine(self, heatmaps: Tensor, cells: Tensor, scores: Tensor) -> Tensor:
        """Do the Newton step."""
        from lib.codecs.dark import refine_udp

        return refine_udp(heatmaps, cells, scores, self.width)
