"""Does a claim hold? Its scores from its predictions, and a sample of its predictions once more.

What is compared: the predictions of the drawn images, in all numbers, pose by pose. They are the
same if every joint is within ``JOINT_TOLERANCE`` pixels and every score within ``SCORE_TOLERANCE``
(float32 sums in another order move joints by far less). Where two peaks of a map are equally high
to the last digits, though, another machine may take the other one. So an image that differs is
predicted again ``NOISY_RUNS`` times with noise on the pixels, of a few percent of a grey level at
most, and is the same if one of these runs gives the claimed poses: what a network answers to the
same picture cannot be called false.

Error of the first kind: a true claim is refused only if all these runs decide a tie as this machine
did and the claimant's did not. With even odds that is once in 2^24 ties. It supposes that both
machines compute in float32 with the same versions of what decides on the result; other precisions
move joints by more than the tolerance.

Error of the second kind: let images be changed, before the draw is known, so that AP rises by
``inflation``. By ``most_inflation`` these images hold at least ``least_size`` annotated people or
poses, and by ``detection_rate`` one of them is drawn, and the claim refused, with the probability
that is told. It is a lower bound for the worst choice; changes that are spread are seen more
surely. Changes below the tolerance in all images could raise AP by ``slack`` at most, which is
taken off before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lib.certify.comparing import Poses, differing, poses_by_image, same_poses
from lib.certify.influence import Evidence, least_size, most_inflation, slack
from lib.certify.sampling import (
    detection_rate,
    draw,
    images_for,
    plan,
    sure_count,
    sure_size,
)
from lib.evaluation.coco_files import Rows
from lib.evaluation.table import MAX_PEOPLE

NOISY_RUNS = 24
NOISES = (1e-5, 1e-4, 1e-3)  # standard deviations of normalised pixels; a grey level is about 0.02
MOST_TIES = 5  # images that may differ at first; beyond 5 % of the drawn it is no rounding
SURE = 0.95

# Images, standard deviation of the noise, seed of the noise -> their result rows.
Predict = Callable[[Sequence[Any], float, int], Rows]


@dataclass
class Verdict:
    """What a check found.

    Attributes:
        total: images of the claim.
        seed: of the draw.
        drawn: images that were predicted again.
        changed: drawn images whose poses are others.
        ties: drawn images whose poses are the same only within the noise.
        inflation: AP in [0, 1] that ``rate`` speaks of.
        slack: AP that changes below the tolerance could bring.
        rate: least probability to refuse a claim whose AP was raised by ``inflation``.
        needed: images to draw for a ``rate`` of 95 %.
        sure: least rise of AP that is refused with a probability of 95 %.
        spread: with so many changed images, whichever, the same.
        faults: why the claim does not hold, a sentence each.
        notes: what is otherwise than at the claimant's, and no reason to refuse.
    """

    total: int
    seed: int = 0
    drawn: int = 0
    changed: list[Any] = field(default_factory=list)
    ties: list[Any] = field(default_factory=list)
    inflation: float = 0.0
    slack: float = 0.0
    rate: float = 0.0
    needed: int = 0
    sure: float = math.nan
    spread: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against the claim."""
        return not self.faults


def check_predictions(
    evidence: Evidence,
    boxes: np.ndarray,
    predict: Predict,
    *,
    images: int,
    inflation: float,
    seed: int,
) -> Verdict:
    """Predict drawn images again and compare.

    Args:
        evidence: the claimed predictions and the ground truth.
        boxes: (I,) the most poses that an image can have by its boxes.
        predict: computes result rows.
        images: how many to draw.
        inflation: rise of AP, in [0, 1], that the probabilities are told for.
        seed: of the draw; whoever made the claim must not have known it.
    """
    sizes = image_sizes(evidence, boxes)
    verdict, shares = _with_rates(evidence, sizes, images, inflation)
    chosen = draw(shares, seed)
    labels = [evidence.subject.table.image_ids[n] for n in chosen.tolist()]
    changed, ties = compare(evidence, labels, predict, seed)
    verdict.drawn, verdict.seed, verdict.changed, verdict.ties = len(labels), seed, changed, ties
    if changed:
        verdict.faults.append(
            f"the poses of {len(changed)} of {len(labels)} images predicted again are others "
            f"(image {changed[0]}, for one)"
        )
    return verdict


def image_sizes(evidence: Evidence, boxes: np.ndarray) -> np.ndarray:
    """Return (I,) how many annotated people or poses an image can hold, whichever is more."""
    table = evidence.subject.table
    count = len(table.image_ids)
    people = np.bincount(table.truth_cell[~table.ignored] % count, minlength=count)
    poses = np.bincount(table.found_cell % count, minlength=count)
    return np.maximum(people, np.maximum(poses, np.minimum(boxes, MAX_PEOPLE)))


def compare(
    evidence: Evidence, images: Sequence[Any], predict: Predict, seed: int
) -> tuple[list[Any], list[Any]]:
    """Return the images whose poses are others, and those that are the same within the noise."""
    claimed = poses_by_image(evidence.subject.rows)
    found = poses_by_image(evidence.joined(predict(images, 0.0, seed)))
    changed = differing(images, claimed, found)
    most = max(MOST_TIES, len(images) // 20)
    ties: list[Any] = []
    for run in range(NOISY_RUNS if len(changed) <= most else 0):
        if not changed:
            break
        noisy = predict(changed, NOISES[run % len(NOISES)], seed + run)
        ties += _explained(changed, claimed, poses_by_image(evidence.joined(noisy)))
        changed = [image for image in changed if image not in ties]
    return changed, ties


def compare_scores(claimed: dict[str, Any], numbers: dict[str, float]) -> list[str]:
    """Return a sentence about each claimed score that the claimed predictions do not have."""
    faults = [f"{name} is told, but is no score of its metric" for name in claimed.keys() - numbers]
    for name, value in numbers.items():
        told = claimed.get(name)
        told = math.nan if told is None else told
        if not (math.isnan(told) and math.isnan(value)) and not abs(told - value) <= 1e-6:
            faults.append(f"{name} is told to be {told:.6f}, but its predictions have {value:.6f}")
    return faults


def _explained(images: Sequence[Any], claimed: Poses, found: Poses) -> list[Any]:
    return [image for image in images if same_poses(claimed.get(image), found.get(image))]


def _with_rates(
    evidence: Evidence, sizes: np.ndarray, images: int, inflation: float
) -> tuple[Verdict, np.ndarray]:
    """Return a verdict with its probabilities, and those of the images to be drawn."""
    matches = evidence.matches
    below = slack(evidence.subject, matches)
    least = least_size(matches, max(inflation - below, 0.0))
    shares = plan(sizes, images, least)
    verdict = Verdict(
        total=len(sizes),
        inflation=inflation,
        slack=below,
        rate=detection_rate(shares, sizes, least) if inflation > below else 0.0,
        needed=images_for(sizes, least, SURE),
        sure=below + most_inflation(matches, sure_size(shares, sizes, SURE)),
        spread=sure_count(shares, SURE),
    )
    return verdict, shares
