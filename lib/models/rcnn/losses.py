"""The five losses of Keypoint R-CNN, with the normalisers of the published recipe.

Ren et al. 2015, Faster R-CNN; He et al. 2017, Mask R-CNN. torchvision hard-codes other values for
the two box losses (smooth-L1 with beta 1/9) and averages over the anchors it found.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def objectness_loss(logits: Tensor, labels: Tensor, normaliser: int) -> Tensor:
    """Sum the binary cross-entropy of sampled anchors (N,) against 0/1 labels / ``normaliser``."""
    total = F.binary_cross_entropy_with_logits(logits.float(), labels, reduction="sum")
    return total / normaliser


def regression_loss(deltas: Tensor, targets: Tensor, beta: float, normaliser: int) -> Tensor:
    """Sum the smooth-L1 loss of positive boxes (N, 4) / ``normaliser``; ``beta`` 0 is plain L1."""
    return F.smooth_l1_loss(deltas.float(), targets, beta=beta, reduction="sum") / normaliser


def box_head_losses(
    class_logits: Tensor, deltas: Tensor, labels: Tensor, targets: Tensor, beta: float
) -> tuple[Tensor, Tensor]:
    """Score the box head on N sampled RoIs of a batch.

    Args:
        class_logits: (N, C) with class 0 the background.
        deltas: (N, 4 * C) box deltas, four per class.
        labels: (N,) int64 class of every RoI.
        targets: (N, 4) deltas to the matched person, used where the label is positive.
        beta: where smooth-L1 turns from quadratic to linear.

    Returns:
        The mean cross-entropy, and the box loss of the positives divided by N; zeros if N is 0.
    """
    count = max(len(labels), 1)
    classifier = F.cross_entropy(class_logits.float(), labels, reduction="sum") / count
    positive = (labels > 0).nonzero()[:, 0]
    chosen = deltas.unflatten(1, (-1, 4))[positive, labels[positive]]
    return classifier, regression_loss(chosen, targets[positive], beta, count)


def keypoint_loss(
    logits: Tensor, cells: Tensor, valid: Tensor, normaliser: float | None = None
) -> Tensor:
    """Classify each joint's cell (softmax cross-entropy over S*S cells).

    Args:
        logits: (N, K, S, S).
        cells: (N, K) int64 cell numbers, see ``lib.codecs.roi_heatmap.encode_roi_cells``.
        valid: (N, K) bool, joints that count.
        normaliser: what the sum is divided by; None takes the number of valid joints.

    Returns:
        A scalar; 0 without valid joints, with gradients (zeros) for all of ``logits``.
    """
    target = cells.masked_fill(~valid, -100).flatten()  # cross_entropy's index to ignore
    total = F.cross_entropy(logits.float().flatten(2).flatten(0, 1), target, reduction="sum")
    return total / (valid.sum().clamp(min=1) if normaliser is None else normaliser)


@torch.no_grad()
def box_losses_by_image(
    class_logits: Tensor,
    deltas: Tensor,
    labels: Tensor,
    targets: Tensor,
    beta: float,
    counts: Sequence[int],
) -> Tensor:
    """Return (B,) the sum of `box_head_losses` of the RoIs of each image alone.

    Arguments as there, and ``counts``, how many RoIs each image has.
    """
    classifier = F.cross_entropy(class_logits.float(), labels, reduction="none")
    rows = torch.arange(len(labels), device=labels.device)
    chosen = deltas.unflatten(1, (-1, 4))[rows, labels]
    box = F.smooth_l1_loss(chosen.float(), targets, beta=beta, reduction="none").sum(dim=1)
    losses = (classifier + torch.where(labels > 0, box, 0.0)).split(list(counts))
    return torch.stack([part.sum() / max(len(part), 1) for part in losses])


@torch.no_grad()
def keypoint_losses_by_image(
    logits: Tensor,
    cells: Tensor,
    valid: Tensor,
    counts: Sequence[int],
    normaliser: float | None = None,
) -> Tensor:
    """Return (B,) `keypoint_loss` of the RoIs of each image alone; see `box_losses_by_image`."""
    target = cells.masked_fill(~valid, -100).flatten()
    maps = logits.float().flatten(2).flatten(0, 1)
    rows = F.cross_entropy(maps, target, reduction="none").view(valid.shape).sum(dim=1)
    sums = torch.stack([part.sum() for part in rows.split(list(counts))])
    if normaliser is not None:
        return sums / normaliser
    joints = torch.stack([part.sum() for part in valid.split(list(counts))])
    return sums / joints.clamp(min=1)


@torch.no_grad()
def proposal_losses_by_image(
    logits: Tensor,
    deltas: Tensor,
    labels: Sequence[Tensor],
    targets: Sequence[Tensor],
    sampled: Sequence[Tensor],
    *,
    beta: float,
    normaliser: int,
) -> Tensor:
    """Return (B,) `objectness_loss` plus `regression_loss` of the anchors of each image alone.

    Args:
        logits: (A,) of all anchors of the batch.
        deltas: (A, 4).
        labels: per image (A_i,) with 1 person, 0 background, -1 neither.
        targets: per image (A_i, 4).
        sampled: per image (A_i,) bool, the anchors that count.
        beta: of smooth-L1.
        normaliser: anchors that are to be sampled of an image.
    """
    counts = [len(part) for part in labels]
    of_images = zip(
        logits.split(counts), deltas.split(counts), labels, targets, sampled, strict=True
    )
    losses = []
    for logit, delta, label, target, chosen in of_images:
        objectness = F.binary_cross_entropy_with_logits(
            logit.float(), label.clamp(min=0), reduction="none"
        )
        box = F.smooth_l1_loss(delta.float(), target, beta=beta, reduction="none").sum(dim=1)
        # Where, not times: deltas of anchors that do not count may be infinite.
        total = torch.where(chosen, objectness + torch.where(label > 0, box, 0.0), 0.0)
        losses.append(total.sum() / normaliser)
    return torch.stack(losses)
