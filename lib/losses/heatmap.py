"""Heatmap regression: masked mean squared error, with hard-keypoint mining if wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lib.utils.errors import ConfigError


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
    return _means(_joint_errors(heatmaps, targets, weights), factor)[0]


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
    return _means(_joint_errors(heatmaps, targets, weights), factor, top_k)[0]


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
    ) -> tuple[Tensor, Tensor]:
        """Return the scalar loss and (N,) those of each person alone, detached.

        The losses of several outputs are summed.

        Args:
            heatmaps: (N, K, H, W) or a list of such.
            targets: (N, K, H, W).
            weights: (N, K).
        """
        outputs = [heatmaps] if isinstance(heatmaps, Tensor) else heatmaps
        used = weights if self.use_weights else None
        losses, people = zip(
            *(
                _means(_joint_errors(output, targets, used), self.factor, self.top_k)
                for output in outputs
            ),
            strict=True,
        )
        return torch.stack(losses).sum(), torch.stack(people).sum(dim=0)


def _means(errors: Tensor, factor: float, top_k: int = 0) -> tuple[Tensor, Tensor]:
    """Return ``factor`` times the mean of (N, K) errors, and (N,) those of each row, detached.

    With ``top_k`` the largest errors of each row count only.
    """
    if top_k:
        worst = (factor * errors).topk(min(top_k, errors.shape[1]), dim=1).values
        return worst.mean(), worst.detach().mean(dim=1)
    # The factor last: the bits of the loss are those of before people had losses of their own.
    return factor * errors.mean(), factor * errors.detach().mean(dim=1)


def _joint_errors(heatmaps: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    """Return (N, K) float32 mean squared differences, times the squared weights."""
    if heatmaps.shape != targets.shape:
        raise ConfigError(
            f"The network answers {tuple(heatmaps.shape)}, the codec draws {tuple(targets.shape)} "
            "(batch, joints, rows, columns): both must be of one shape, see MODEL.NUM_JOINTS, "
            "MODEL.HEATMAP_SIZE and, in a head of your own, num_joints and out_stride."
        )
    errors = (heatmaps.float() - targets).square().mean(dim=(2, 3))
    return errors if weights is None else errors * weights.square()
