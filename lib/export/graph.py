"""What a file is to compute, and how one sees that it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

# Heat is of order 1. A trained network sees nobody in noise: its maps are nearly zero there, and a
# share of their spread would be a share of the rounding.
LEAST_SPREAD = 0.01
AGREEING = 0.95  # share of joints that must agree; peaks of noise are nearly as high as others

Output = Tensor | Sequence[Tensor]


def largest_difference(wanted: Output, found: Output) -> float:
    """Return the largest absolute difference of maps, in standard deviations of the wanted ones.

    A deviation below ``LEAST_SPREAD`` counts as that. NaN if either holds NaN; infinite if their
    number or shapes differ.
    """
    if not _same_shapes(wanted, found):
        return float("inf")
    pairs = zip(as_list(wanted), as_list(found), strict=True)
    ratios = [(a - b).abs().max() / a.std().clamp_min(LEAST_SPREAD) for a, b in pairs]
    return float(torch.stack(ratios).max())


def difference_of_people(wanted: Output, found: Output) -> float:
    """Return how far people in a file's answer are from the network's, each from the nearest.

    Args:
        wanted: boxes (N, 4), scores (N,), and what is known of their joints (N, ...).
        found: the same of the file.

    Returns:
        The largest difference but for the worst twentieth of the people, in standard deviations; 0
        if there is nobody, infinite if their numbers differ.
    """
    boxes, others = as_list(wanted)[0], as_list(found)[0]
    if not _same_shapes(wanted, found):
        return float("inf")
    if not len(boxes):
        return 0.0
    # People who score the same may have changed places.
    nearest = torch.cdist(boxes, others).argmin(dim=1)
    worst = boxes.new_zeros(len(boxes))
    for a, b in zip(as_list(wanted), as_list(found), strict=True):
        spread = a.std(correction=0).clamp_min(LEAST_SPREAD)
        apart = (a - b[nearest]).abs().reshape(len(boxes), -1).amax(dim=1)
        worst = worst.maximum(apart / spread)
    return float(torch.quantile(worst, AGREEING, interpolation="lower"))


def difference_of_joints(wanted: Output, found: Output) -> float:
    """Return how far joints and scores of a file's answer are from the network's.

    Args:
        wanted: joints (B, K, 2) and scores (B, K).
        found: the same of the file.

    Returns:
        The largest difference but for the worst twentieth of the joints, in standard deviations;
        infinite if their numbers differ.
    """
    if not _same_shapes(wanted, found):
        return float("inf")
    (points, scores), (others, values) = as_list(wanted), as_list(found)
    apart = (points - others).abs().amax(dim=-1) / points.std().clamp_min(LEAST_SPREAD)
    worst = apart.maximum((scores - values).abs() / scores.std().clamp_min(LEAST_SPREAD))
    return float(torch.quantile(worst.flatten(), AGREEING, interpolation="lower"))


def as_list(output: Output) -> list[Tensor]:
    """Return one tensor or several as a list."""
    return [output] if isinstance(output, Tensor) else list(output)


def _same_shapes(wanted: Output, found: Output) -> bool:
    return [a.shape for a in as_list(wanted)] == [b.shape for b in as_list(found)]


@dataclass(frozen=True)
class Graph:
    """A function of images that a file can hold.

    Attributes:
        network: images (B, 3, H, W) -> a tensor or several; on the CPU, in evaluation mode.
        sizes: ``(width, height)`` of images to record and to compare; more than one makes the
            file's image size free.
        names: of the outputs; empty takes ``heatmaps``, or ``maps_0``, ``maps_1`` ...
        one_image: the file takes one image at a time, and gives as many rows as it finds people.
        difference: of the network's answer and the file's, to hold against the tolerance.
        recorded: buffers of the network, by name, that have this value while it is recorded, and
            their own in the file. With nobody found there would be nothing to record.
        card: what the file's card says of it beside the usual.
    """

    network: nn.Module
    sizes: Sequence[tuple[int, int]]
    names: Sequence[str] = ()
    one_image: bool = False
    difference: Callable[[Output, Output], float] = largest_difference
    recorded: Mapping[str, float] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def recording(self) -> Iterator[dict[str, Tensor]]:
        """Give the buffers of ``recorded`` their values for the block; yield their own ones."""
        buffers = {name: self.network.get_buffer(name) for name in self.recorded}
        own = {name: buffer.clone() for name, buffer in buffers.items()}
        try:
            for name, buffer in buffers.items():
                buffer.fill_(self.recorded[name])
            yield own
        finally:
            for name, buffer in buffers.items():
                buffer.copy_(own[name])
