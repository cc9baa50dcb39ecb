"""Kullback-Leibler loss of SimCC's two classifications (Jiang et al. 2023, RTMPose, Sec. 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

LABEL_BETA = 10.0  # published sharpness of the softmax over labels


def simcc_errors(
    logits: Sequence[Tensor],
    labels: Sequence[Tensor],
    weights: Tensor,
    *,
    beta: float = 1.0,
    label_softmax: bool = False,
) -> Tensor:
    """Return (N, K) losses of joints, in float32; mmpose's loss is their sum, divided by K.

    A row's loss is the *mean* over its bins, so the axis with fewer bins weighs more.

    Args:
        logits: (N, K, Wx) and (N, K, Wy).
        labels: the same shapes; rows need not sum to 1.
        weights: (N, K) of the rows.
        beta: sharpness of the softmax over logits; 10 in RTMPose.
        label_softmax: make labels a distribution by a softmax of sharpness 10.
    """
    axes = [
        _axis(logit.float() * beta, label.float(), label_softmax)
        for logit, label in zip(logits, labels, strict=True)
    ]
    return (axes[0] + axes[1]) * weights


def _axis(logits: Tensor, labels: Tensor, label_softmax: bool) -> Tensor:
    """Return (N, K) mean over bins of ``t (log t - log p)``, 0 where t is."""
    target = (labels * LABEL_BETA).softmax(-1) if label_softmax else labels
    return (torch.xlogy(target, target) - target * logits.log_softmax(-1)).mean(-1)
