"""Heatmap regression: masked mean squared error, with hard-keypoint mining if wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def heatmap_mse(
    heatmaps: Tensor, targets: Tensor, weights: Tensor | None = None, factor: float = 0.5
) -> Tensor:
    """Return ``factor`` times the mean over N, K, H, W of ``(weight * difference)^2``.

    The weight multiplies both maps before the square, so it enters squared, as published.

    Args:
        heatmaps: (N, K, H, W) predictions; computed in float32.
        targets: (N, K, H, W) from a codec.
        weights: (N, K) loss weights; None counts every joint once.
        factor: 0.5 in the lineage, 1 in HRFormer's recipe.
    """
    return factor * _joint_errors(heatmaps, targets, weights).mean()


def heatmap_ohkm(
    heatmaps: Tensor,
    targets: Tensor,
    weights: Tensor | None = None,
    factor: float = 0.5,
    top_k: int = 8,
) -> Tensor:
    """Average `heatmap_mse` over the ``top_k`` worst joints of each person (Chen et al. 2018, CPN).

    Arguments as in `heatmap_mse`; ``top_k`` beyond K means all joints.
    """
    errors = factor * _joint_errors(heatmaps, targets, weights)  # (N, K)
    return errors.topk(min(top_k, errors.shape[1]), dim=1).values.mean()


@dataclass(frozen=True)
class HeatmapLoss:
    """Masked heatmap loss of one or several outputs of a network.

    Attributes:
        use_weights: whether target weights count (`LOSS.USE_TARGET_WEIGHT`).
        factor: factor of the squared error (`LOSS.FACTOR`).
        top_k: mine this many worst joints per person (`LOSS.TOPK`); 0 takes them all.
    """

    use_weights: bool = True
    factor: float = 0.5
    top_k: int = 0

    def __call__(
        self, heatmaps: Tensor | Sequence[Tensor], targets: Tensor, weights: Tensor
    ) -> Tensor:
        """Return the scalar loss; those of several outputs are summed.

        Args:
            heatmaps: (N, K, H, W) or a list of such.
            targets: (N, K, H, W).
            weights: (N, K).
        """
        outputs = [heatmaps] if isinstance(heatmaps, Tensor) else heatmaps
        used = weights if self.use_weights else None
        return torch.stack([self._single(output, targets, used) for output in outputs]).sum()

    def _single(self, heatmaps: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        if self.top_k:
            return heatmap_ohkm(heatmaps, targets, weights, self.factor, self.top_k)
        return heatmap_mse(heatmaps, targets, weights, self.factor)


def _joint_errors(heatmaps: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    """Return (N, K) float32 mean squared differences, times the squared weights."""
    if heatmaps.shape != targets.shape:
        raise ValueError(f"heatmaps are {tuple(heatmaps.shape)}, targets {tuple(targets.shape)}")
    errors = (heatmaps.float() - targets).square().mean(dim=(2, 3))
    return errors if weights is None else errors * weights.square()
