"""PCK on heatmaps: the progress figure of a training log, without a host sync."""

from __future__ import annotations

import torch
from torch import Tensor

from lib.codecs.heatmap import find_peaks


def heatmap_accuracy(heatmaps: Tensor, targets: Tensor, threshold: float = 0.5) -> Tensor:
    """Return the () mean of `joint_accuracies` over the joints that count, 0 if none does."""
    joints = joint_accuracies(heatmaps, targets, threshold)
    return joints.clamp_min(0).sum() / (joints >= 0).sum().clamp_min(1)


def joint_accuracies(heatmaps: Tensor, targets: Tensor, threshold: float = 0.5) -> Tensor:
    """Return the share of peaks per joint that lie near those of the targets.

    As published, and only comparable within this family: x is measured in tenths of the map's
    *height* and y in tenths of its *width*, and target peaks in the first two rows or columns do
    not count.

    Args:
        heatmaps: (N, K, H, W) predictions.
        targets: (N, K, H, W).
        threshold: distances below it are hits.

    Returns:
        (K,) float32 in [0, 1]; -1 where no target counts.
    """
    height, width = heatmaps.shape[-2:]
    found, _ = find_peaks(heatmaps.detach())
    wanted, _ = find_peaks(targets)
    dx, dy = (found - wanted).unbind(-1)
    distances = torch.hypot(dx / (height / 10), dy / (width / 10))  # (N, K)
    counts = (wanted > 1).all(dim=-1)
    total = counts.sum(dim=0)
    hits = (counts & (distances < threshold)).sum(dim=0)
    return torch.where(total > 0, hits / total.clamp_min(1), -1.0)
