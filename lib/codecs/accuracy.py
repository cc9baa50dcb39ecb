"""PCK on what networks answer: the progress figure of a training log, without a host sync."""

from __future__ import annotations

import torch
from torch import Tensor

from lib.codecs.heatmap import find_peaks
from lib.structures.geometry import Size


def heatmap_accuracy(heatmaps: Tensor, targets: Tensor, threshold: float = 0.5) -> Tensor:
    """Return the () mean of `joint_accuracies` over the joints that count, 0 if none does."""
    return mean_of_counted(joint_accuracies(heatmaps, targets, threshold))


def joint_accuracies(heatmaps: Tensor, targets: Tensor, threshold: float = 0.5) -> Tensor:
    """Return the share of peaks per joint that lie near those of the targets.

    As published, and only comparable within this family: target peaks in the first two rows or
    columns do not count, and distances are those of `share_of_hits`.

    Args:
        heatmaps: (N, K, H, W) predictions.
        targets: (N, K, H, W).
        threshold: distances below it are hits.

    Returns:
        (K,) float32 in [0, 1]; -1 where no target counts.
    """
    size = (heatmaps.shape[-1], heatmaps.shape[-2])
    found, _ = find_peaks(heatmaps.detach())
    wanted, _ = find_peaks(targets)
    return share_of_hits(found - wanted, (wanted > 1).all(dim=-1), size, threshold)


def share_of_hits(offsets: Tensor, counts: Tensor, size: Size, threshold: float) -> Tensor:
    """Return the share of joints that are nearer than ``threshold``, joint by joint.

    As published, x is measured in tenths of the *height* and y in tenths of the *width*.

    Args:
        offsets: (N, K, 2) ``(x, y)`` from the truth, in cells or bins.
        counts: (N, K) bool, which joints there are.
        size: ``(width, height)`` in the same unit.
        threshold: in tenths of a side.

    Returns:
        (K,) float32 in [0, 1]; -1 where none counts.
    """
    width, height = size
    dx, dy = offsets.unbind(-1)
    distances = torch.hypot(dx / (height / 10), dy / (width / 10))  # (N, K)
    total = counts.sum(dim=0)
    hits = (counts & (distances < threshold)).sum(dim=0)
    return torch.where(total > 0, hits / total.clamp_min(1), -1.0)


def mean_of_counted(joints: Tensor) -> Tensor:
    """Return the () mean of the entries of (K,) that are not -1, 0 if all are."""
    return joints.clamp_min(0).sum() / (joints >= 0).sum().clamp_min(1)
