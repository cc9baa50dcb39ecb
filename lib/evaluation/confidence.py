"""Does a score mean what it says? Reliability, calibration error, and scores of absent joints.

A joint is *right* if its keypoint similarity to the truth is at least 0.5, a person if its object
keypoint similarity is. The expected calibration error (Naeini et al. 2015; Guo et al. 2017) is the
mean distance between score and share of right ones over bins of the score, weighted by their
counts. Scores outside [0, 1], as peaks of heatmaps can be, count as 0 or 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.evaluation.diagnosis import GOOD, JITTER, NEAR_SIMILARITY, ImageErrors

BINS = 15


@dataclass(frozen=True)
class Events:
    """Scores and what came of them; N joints or people.

    Attributes:
        scores: (N,).
        right: (N,) bool.
        group: (N,) joint number, 0 for people.
        image: (N,) number of the image.
    """

    scores: np.ndarray
    right: np.ndarray
    group: np.ndarray
    image: np.ndarray

    def select(self, keep: np.ndarray) -> Events:
        """Return the events of a mask."""
        return Events(self.scores[keep], self.right[keep], self.group[keep], self.image[keep])


@dataclass(frozen=True)
class Reliability:
    """Score against truth in bins; B of them, empty ones left out.

    Attributes:
        score: (B,) mean score.
        right: (B,) share of right ones.
        count: (B,).
        error: expected calibration error; NaN without events.
    """

    score: np.ndarray
    right: np.ndarray
    count: np.ndarray
    error: float


def joint_events(images: Sequence[ImageErrors]) -> Events:
    """Return the labelled joints of all poses that stand for somebody."""
    parts = [np.nonzero(errors.kinds >= 0) for errors in images]
    rows = list(zip(images, parts, strict=True))
    return Events(
        scores=_joined([errors.image.joint_scores[at] for errors, at in rows]),
        right=_joined([np.isin(errors.kinds[at], (GOOD, JITTER)) for errors, at in rows], bool),
        group=_joined([at[1] for at in parts], np.int64),
        image=_joined([np.full(len(at[0]), n) for n, at in enumerate(parts)], np.int64),
    )


def person_events(images: Sequence[ImageErrors]) -> Events:
    """Return all poses but those of people who do not count, such as crowds."""
    scores, right, image = [], [], []
    for n, errors in enumerate(images):
        owner = errors.truth_index
        known = np.concatenate([errors.overlaps, np.zeros((len(owner), 1))], axis=1)
        similarity = np.where(owner >= 0, known[np.arange(len(owner)), owner], 0.0)
        counts = (owner >= 0) | errors.background | errors.duplicate
        scores.append(errors.image.scores[counts])
        right.append(similarity[counts] >= NEAR_SIMILARITY)
        image.append(np.full(int(counts.sum()), n))
    joined = _joined(scores)
    return Events(
        joined, _joined(right, bool), np.zeros(len(joined), np.int64), _joined(image, np.int64)
    )


def reliability(scores: np.ndarray, right: np.ndarray, bins: int = BINS) -> Reliability:
    """Return the reliability diagram and its error.

    Args:
        scores: (N,); outside [0, 1] they count as 0 or 1.
        right: (N,) bool.
        bins: number of bins of equal width.
    """
    clipped = np.clip(scores, 0.0, 1.0)
    place = np.minimum((clipped * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    known = count > 0
    mean = np.bincount(place, clipped, minlength=bins)[known] / count[known]
    share = np.bincount(place, right, minlength=bins)[known] / count[known]
    total = count.sum()
    error = float((count[known] * np.abs(mean - share)).sum() / total) if total else float("nan")
    return Reliability(mean, share, count[known], error)


def auroc(present: np.ndarray, absent: np.ndarray) -> float:
    """Return the probability that a present one scores above an absent one, ties counted half.

    Args:
        present: (N,) scores.
        absent: (M,) scores.

    Returns:
        Area under the receiver operating characteristic; NaN if either is empty.
    """
    if not len(present) or not len(absent):
        return float("nan")
    order = np.sort(absent)
    below = np.searchsorted(order, present, side="left")
    not_above = np.searchsorted(order, present, side="right")
    return float((below + not_above).mean() / 2 / len(absent))


def _joined(parts: Sequence[np.ndarray], kind: type = np.float64) -> np.ndarray:
    return np.concatenate(parts) if len(parts) else np.zeros(0, kind)
