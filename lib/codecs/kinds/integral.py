"""Regression by integral: DSNT (Nibali et al. 2018) and Integral (Sun et al. 2018).

The network answers with maps, as for heatmaps, but nobody tells it a map: what is learned and read
is the mean position under their softmax.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from yacs.config import CfgNode

from lib.codecs.base import CODECS, Codec, input_to_image, one_tensor, refuse_hard_mining
from lib.utils.losses import SAMPLES

if TYPE_CHECKING:
    from torch import Tensor

    from lib.codecs.base import Output
    from lib.structures.geometry import Size

CLOSE = 0.5  # in tenths of a side, what the log counts as a hit
DISTANCES = {"l2": 2, "l1": 1}  # name: order of the norm


@CODECS.register("integral")
@dataclass(frozen=True)
class IntegralCodec(Codec):
    """Targets are positions, the loss their distance and the shape of the maps, joints are means.

    A cell is as wide as ``stride`` pixels and stands for their middle: pixel p lies at cell
    ``(p + 1/2) / stride - 1/2``. Mirroring the picture so mirrors the cells; nothing is shifted.

    Attributes:
        input_size: ``(width, height)`` of the network input in pixels.
        heatmap_size: ``(width, height)`` of the maps in cells.
        sigma: deviation in cells of the Gaussians that maps shall resemble.
        distance: ``l2`` (DSNT) or ``l1`` (Integral), of positions in half sides of the map.
        regulariser: factor of the Jensen-Shannon divergence from those Gaussians; 0 leaves the
            maps any shape.
        beta: sharpness of the softmax.
        bias: subtracted from both final image coordinates.
        use_weights: whether loss weights count beyond being 0 or not.
    """

    map_sized: ClassVar[bool] = True
    options: ClassVar[CfgNode] = CfgNode(
        {
            "DISTANCE": "l2",  # of positions: l2 (DSNT) | l1 (Integral)
            "REGULARISER": 1.0,  # factor of the maps' divergence from a Gaussian; Integral: 0
            "BETA": 1.0,  # sharpness of the softmax over a map
        }
    )

    input_size: Size
    heatmap_size: Size
    sigma: float = 1.0
    distance: str = "l2"
    regulariser: float = 1.0
    beta: float = 1.0
    bias: float = 0.0
    use_weights: bool = True

    def __post_init__(self) -> None:
        """Check the settings that arithmetic would not."""
        if self.distance not in DISTANCES:
            raise ValueError(f"DISTANCE must be {' or '.join(DISTANCES)}, got '{self.distance}'")
        if not 0 <= self.regulariser < math.inf:
            raise ValueError(f"REGULARISER must be 0 or more, got {self.regulariser}")
        if not 0 < self.beta < math.inf:
            raise ValueError(f"BETA must be above 0, got {self.beta}")

    @classmethod
    def build(cls, cfg: CfgNode) -> IntegralCodec:
        """Return the codec that ``MODEL``, ``LOSS`` and ``TEST`` describe."""
        refuse_hard_mining(cfg)
        node = cfg.MODEL.CODEC
        return cls(
            input_size=tuple(cfg.MODEL.IMAGE_SIZE),
            heatmap_size=tuple(cfg.MODEL.HEATMAP_SIZE),
            sigma=cfg.MODEL.SIGMA,
            distance=node.DISTANCE,
            regulariser=node.REGULARISER,
            beta=node.BETA,
            bias=cfg.TEST.BIAS,
            use_weights=cfg.LOSS.USE_TARGET_WEIGHT,
        )

    @property
    def stride(self) -> tuple[float, float]:
        """Input pixels per cell along ``(x, y)``."""
        return (
            self.input_size[0] / self.heatmap_size[0],
            self.input_size[1] / self.heatmap_size[1],
        )

    def output_shapes(self, num_joints: int) -> dict[str, tuple[int, ...]]:
        """Return one tensor of maps."""
        width, height = self.heatmap_size
        return {"heatmaps": (num_joints, height, width)}

    def encode(self, keypoints: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Return positions (N, K, 2) in cells; no mean lies outside the cells' centres.

        So joints there lose their weight; see `Codec.encode`.
        """
        import torch

        x, y = keypoints.float().unbind(-1)
        x, y = (
            (pixels + 0.5) / stride - 0.5
            for pixels, stride in zip((x, y), self.stride, strict=True)
        )
        width, height = self.heatmap_size
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        return torch.stack([x, y], dim=-1), visible.float() * inside

    def loss(self, output: Output, targets: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """Return the distance of the means and the divergence of the maps."""
        from lib.codecs.integral import soft_argmax
        from lib.losses.integral import (
            divergences,
            position_errors,
            weighted_mean,
            weighted_means,
        )

        logits = one_tensor(output).float()
        # A joint without a weight has no position at all, where other codecs have an empty map.
        used = weights if self.use_weights else (weights > 0).float()
        found, _ = soft_argmax(logits, self.beta)
        errors = position_errors(found, targets, self.heatmap_size, DISTANCES[self.distance])
        losses = {"position": weighted_mean(errors, used)}
        people = weighted_means(errors.detach(), used)
        if self.regulariser:
            shapes = divergences(logits * self.beta, targets, self.sigma)
            losses["divergence"] = self.regulariser * weighted_mean(shapes, used)
            people = people + self.regulariser * weighted_means(shapes.detach(), used)
        return {**losses, SAMPLES: people}

    def accuracy(self, output: Output, targets: Tensor, weights: Tensor) -> Tensor:
        """Return the share of joints within a twentieth of the sides, of those with a weight."""
        from lib.codecs.accuracy import mean_of_counted, share_of_hits
        from lib.codecs.integral import soft_argmax

        found, _ = soft_argmax(one_tensor(output).detach(), self.beta)
        hits = share_of_hits(found - targets, weights > 0, self.heatmap_size, CLOSE)
        return mean_of_counted(hits)

    def merge_flipped(self, output: Output, mirrored: Output, flip_index: Tensor) -> Tensor:
        """Return logits whose softmax is the mean of both, so that its mean is theirs."""
        from lib.codecs.flip import flip_back
        from lib.codecs.integral import log_probabilities

        direct = log_probabilities(one_tensor(output), self.beta)
        back = log_probabilities(flip_back(one_tensor(mirrored), flip_index), self.beta)
        return direct.logaddexp(back) / self.beta

    def decode(self, output: Output) -> tuple[Tensor, Tensor]:
        """Return joints (N, K, 2) in network-input pixels and their scores (N, K).

        A score is the share of the distribution within 3 sigma of the joint on both axes: near 1
        for the Gaussian that maps shall resemble, small for a map without a peak.
        """
        import torch

        from lib.codecs.heatmap import WINDOW
        from lib.codecs.integral import share_around, soft_argmax

        logits = one_tensor(output)
        cells, _ = soft_argmax(logits, self.beta)
        scores = share_around(logits, self.beta, cells, WINDOW * self.sigma)
        x, y = (
            (cell + 0.5) * stride - 0.5
            for cell, stride in zip(cells.unbind(-1), self.stride, strict=True)
        )
        return torch.stack([x, y], dim=-1), scores

    def decode_to_image(self, output: Output, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Return (N, K, 2) joints in image pixels and (N, K) scores, see `decode`."""
        points, scores = self.decode(output)
        return input_to_image(points, crops, self.input_size) - self.bias, scores

    def ideal(self, targets: Tensor) -> Tensor:
        """Return logits (N, K, H, W) of the Gaussians around the positions."""
        from lib.losses.integral import gaussian_logits

        return gaussian_logits(targets, self.heatmap_size, self.sigma) / self.beta

    def maps(self, output: Output) -> Tensor:
        """Return the distributions, scaled so that the wanted Gaussian peaks at 1."""
        from lib.codecs.integral import log_probabilities

        scale = 2 * math.pi * self.sigma**2
        return (log_probabilities(one_tensor(output), self.beta).exp() * scale).clamp(0, 1)

    def describe(self) -> dict[str, Any]:
        """Return the size of the maps and the sharpness of their softmax."""
        return {"heatmap_size": list(self.heatmap_size), "softmax_beta": self.beta}
