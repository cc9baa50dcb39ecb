"""How much of an AP can be owed to few people, whoever they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from lib.certify.comparing import JOINT_TOLERANCE, SCORE_TOLERANCE
from lib.evaluation.coco_files import Rows, match_results
from lib.evaluation.curves import RECALLS, average_precision
from lib.evaluation.matching import (
    Matches,
    match,
    pose_candidates,
)
from lib.evaluation.metrics import METRICS, Subject, read_subject
from lib.evaluation.table import PoseTable, sort_cells


@dataclass(frozen=True)
class Evidence:
    """Result rows held against their ground truth.

    Attributes:
        subject: both, read and checked.
        metric: what they are scored by, one of ``METRICS``.
    """

    subject: Subject
    metric: str

    @classmethod
    def read(cls, metric: str, content: dict[str, Any], rows: Rows) -> Evidence:
        """Read an annotation file's content and result rows.

        Raises:
            DataError: one is damaged, or they do not fit.
        """
        return cls(read_subject(metric, content, rows), metric)

    def joined(self, rows: Rows) -> Rows:
        """Return other rows in the same form as the claimed ones."""
        join = METRICS[self.metric].join_rows
        return match_results(join(rows) if join else rows, self.subject.truth)

    @cached_property
    def numbers(self) -> dict[str, float]:
        """The scores by name."""
        return METRICS[self.metric].score(self.subject)

    @cached_property
    def matches(self) -> Matches:
        """The matches that AP comes from."""
        return match(self.subject.candidates)

    @cached_property
    def average_precision(self) -> float:
        """AP over all people."""
        return average_precision(self.matches)


def most_inflation(matches: Matches, size: int) -> float:
    """Return a bound of how much AP rose if images of this size together were changed.

    Honest predictions of these images could have, at worst, none of the hits and ``size`` false
    poses with the best scores: every point of the curve loses ``size`` hits and gets as many false
    ones. No change of images that hold ``size`` annotated people and poses, or fewer, raises AP by
    more.

    Args:
        matches: of the claimed predictions.
        size: people, and poses, in the changed images.
    """
    losses = [
        _mean_precision(matches, category, 0) - _mean_precision(matches, category, size)
        for category in range(len(matches.wanted))
        if matches.wanted[category].any()
    ]
    return float(np.mean(losses)) if losses else 0.0


def least_size(matches: Matches, inflation: float) -> int:
    """Return the least ``size`` whose ``most_inflation`` reaches ``inflation``.

    Without any, one that no images have.

    Args:
        matches: of the claimed predictions.
        inflation: AP in [0, 1].
    """
    low, high = 1, max(1, int(matches.wanted.sum()))  # then all hits are lost
    if most_inflation(matches, high) < inflation:
        return 1 << 40
    while low < high:
        middle = (low + high) // 2
        if most_inflation(matches, middle) >= inflation:
            high = middle
        else:
            low = middle + 1
    return low


def slack(subject: Subject, matches: Matches) -> float:
    """Return how much AP could be raised by changes that are smaller than the tolerance.

    Measured by undoing them: all joints of matched poses move away from the truth by the tolerance,
    hits lose the tolerance of scores, and all other poses gain it.
    """
    table = _pushed(subject.table, matches.truth_index[0])
    lowered = average_precision(match(pose_candidates(table, subject.sigmas)))
    return max(0.0, average_precision(matches) - lowered)


def _pushed(table: PoseTable, truth_index: np.ndarray) -> PoseTable:
    """Return the table without what changes within the tolerance could have gained."""
    matched = truth_index >= 0
    found, scores = table.found.copy(), table.scores.copy()
    away = found[matched] - table.truth[truth_index[matched]]
    length = np.linalg.norm(away, axis=-1, keepdims=True)
    found[matched] += JOINT_TOLERANCE * np.where(length > 0, away / np.maximum(length, 1e-12), 1.0)
    step = SCORE_TOLERANCE * np.maximum(1.0, np.abs(scores))
    scores += np.where(matched, -step, step)
    moved = replace(table, found=found, scores=scores)
    return moved.select_found(sort_cells(table.found_cell, scores))


def _mean_precision(matches: Matches, category: int, lost: int) -> float:
    """Return AP of a category after ``lost`` hits became false poses of the best scores."""
    order = matches.orders[category]
    wanted = matches.wanted[category].sum()
    right = np.maximum(np.cumsum(matches.hit[:, order], axis=1) - lost, 0)
    precision = right / np.maximum(np.cumsum(matches.counted[:, order], axis=1), 1)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    envelope = np.pad(envelope, ((0, 0), (0, 1)))
    places = [np.searchsorted(recall, RECALLS) for recall in right / wanted]
    return float(np.mean([curve[at] for curve, at in zip(envelope, places, strict=True)]))
