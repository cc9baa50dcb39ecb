"""Gaussian heatmaps read by their expected position (Sun et al. 2018, Integral)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yacs.config import CfgNode

from lib.codecs.base import CODECS
from lib.codecs.kinds.gaussian import GaussianCodec

if TYPE_CHECKING:
    from torch import Tensor


@CODECS.register("softargmax")
@dataclass(frozen=True)
class SoftArgmaxCodec(GaussianCodec):
    """Gaussian targets; soft-argmax, then a quarter cell toward the higher neighbour.

    Attributes:
        beta: sharpness of the softmax.
    """

    also_reads = ("LOSS.FACTOR", "TEST.SOFT_ARGMAX_BETA")

    beta: float = 160.0

    @classmethod
    def settings(cls, cfg: CfgNode) -> dict[str, Any]:
        """Return the settings of heatmaps and ``TEST.SOFT_ARGMAX_BETA``."""
        return {**super().settings(cfg), "beta": cfg.TEST.SOFT_ARGMAX_BETA}

    def locate(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        """Return expected cells and the maps' values there."""
        from lib.codecs.integral import soft_argmax

        return soft_argmax(heatmaps, self.beta)
