"""Maps of CPN and MSPN: impulses, smoothed, and smoothed again when read (Chen et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from yacs.config import CfgNode

from lib.codecs.base import CODECS, one_tensor
from lib.codecs.kinds.maps import HeatmapCodec

if TYPE_CHECKING:
    from torch import Tensor

    from lib.codecs.base import Output


@CODECS.register("megvii")
@dataclass(frozen=True)
class MegviiCodec(HeatmapCodec):
    """Impulses in the cell that holds a joint; ``MODEL.SIGMA`` has no effect, the kernel decides.

    Attributes:
        kernel: odd smoothing width in cells (``MODEL.CODEC.KERNEL``); mmpose: 11 for 48x64 maps.
    """

    options: ClassVar[CfgNode] = CfgNode({"KERNEL": 11})

    kernel: int = 11

    def __post_init__(self) -> None:
        """Check the setting that arithmetic would not."""
        least = min(self.heatmap_size)
        if self.kernel % 2 == 0 or not 3 <= self.kernel <= least:
            raise ValueError(f"KERNEL must be odd, from 3 to {least} cells, got {self.kernel}")

    @classmethod
    def settings(cls, cfg: CfgNode) -> dict[str, Any]:
        """Return the settings of heatmaps and the kernel."""
        return {**super().settings(cfg), "kernel": cfg.MODEL.CODEC.KERNEL}

    def draw(self, cells: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Draw smoothed impulses."""
        from lib.codecs.megvii import encode_megvii

        return encode_megvii(cells, visible, self.heatmap_size, self.kernel)

    def refine(self, heatmaps: Tensor, cells: Tensor, scores: Tensor) -> Tensor:
        """Return ``cells``: peaks and their refinement are one, see `decode`."""
        return cells

    def decode(self, output: Output) -> tuple[Tensor, Tensor]:
        """Return joints (N, K, 2) in cells and scores (N, K): maximum / 255 + 0.5."""
        from lib.codecs.megvii import decode_megvii

        return decode_megvii(one_tensor(output), self.kernel, self.post_process)

    @property
    def target_form(self) -> tuple[Any, ...]:
        """How the maps are drawn."""
        return (type(self).draw, self.heatmap_size, self.kernel)

    def maps(self, output: Output) -> Tensor:
        """Return the maps as shares of 255, cut to [0, 1]."""
        from lib.codecs.megvii import PEAK

        return super().maps(one_tensor(output) / PEAK)
