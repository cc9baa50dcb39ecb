"""Losses of associative embedding (Newell et al. 2017, Sec. 3.3) without a loop over people.

Axes: B images, N people, K joints, (H, W) map cells. Tag terms are computed in float32 also under
autocast, and nothing waits for the device.
"""

from __future__ import annotations

import torch
from torch import Tensor

TAG_LOSSES = ("exp", "max")


def masked_heatmap_loss(
    prediction: Tensor, target: Tensor, mask: Tensor, labelled: Tensor | None = None
) -> Tensor:
    """Return the squared error per image, zero where masked out; masked cells count in the mean.

    Args:
        prediction: (B, K, H, W).
        target: (B, K, H, W) float32.
        mask: (B, H, W) float or bool, 0 where crowds or unlabelled people are.
        labelled: (B, K) 0 for joints that the image's data set does not label; None: all count.

    Returns:
        (B,) float32.
    """
    error = (prediction.float() - target).square() * mask[:, None]
    if labelled is not None:
        error = error * labelled[:, :, None, None]
    return error.mean(dim=(1, 2, 3))


def tag_loss(tags: Tensor, indices: Tensor, kind: str = "exp") -> tuple[Tensor, Tensor]:
    """Push the tags of different people apart and pull those of one person together.

    Args:
        tags: (B, D, H, W) predicted tag maps, D = K or 1.
        indices: (B, N, K, 2) int64 ``(place in the flattened maps, 1)``, ``(0, 0)`` if unused.
        kind: ``exp``: exp(-d^2) of the mean tags of two people; ``max``: max(0, 1 - d).

    Returns:
        push: (B,) float32, half the mean over ordered pairs of people; 0 for fewer than two.
        pull: (B,) float32, mean over people of the variance of their tags; 0 for nobody.
    """
    if kind not in TAG_LOSSES:
        raise ValueError(f"kind must be one of {TAG_LOSSES}, got '{kind}'")
    flat = tags.float().flatten(1)
    place, used = indices[..., 0], indices[..., 1].float()  # (B, N, K)
    tag = flat.gather(1, place.flatten(1)).view_as(used)
    joints = used.sum(dim=2)  # (B, N)
    person = (joints > 0).float()
    joints = joints.clamp(min=1)
    mean = (tag * used).sum(dim=2) / joints
    variance = ((tag - mean[..., None]).square() * used).sum(dim=2) / joints
    people = person.sum(dim=1)  # (B,)
    pull = variance.sum(dim=1) / people.clamp(min=1)

    distance = mean[:, :, None] - mean[:, None, :]  # (B, N, N)
    near = torch.exp(-distance.square()) if kind == "exp" else (1 - distance.abs()).clamp(min=0)
    both = person[:, :, None] * person[:, None, :]
    pairs = (people * (people - 1)).clamp(min=1)
    push = 0.5 * ((near * both).sum(dim=(1, 2)) - people) / pairs  # less each with itself
    return push, pull
