"""COCO-WholeBody (Jin et al. 2020): 133 joints, scored as a whole and part by part.

A part is scored as a pose of its own with the area of the whole person. People without a labelled
joint of the part do not count, and a result none of whose joints of the part has a positive score
does not answer for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lib.annotations.form import Annotations
from lib.annotations.wholebody import joined_joints
from lib.evaluation.coco import numbers_of
from lib.evaluation.coco_evaluator import CocoEvaluator
from lib.evaluation.coco_files import Rows, match_results
from lib.evaluation.matching import pose_candidates
from lib.evaluation.summary import POSE_METRICS
from lib.evaluation.table import MAX_PEOPLE, PoseTable, pose_table, sort_cells

PARTS = {
    "whole": slice(0, 133),
    "body": slice(0, 17),
    "foot": slice(17, 23),
    "face": slice(23, 91),
    "left hand": slice(91, 112),
    "right hand": slice(112, 133),
}
SCORE_KEYS = {
    "body": "score",
    "whole": "wholebody_score",
    "foot": "foot_score",
    "face": "face_score",
    "left hand": "lefthand_score",
    "right hand": "righthand_score",
}


def evaluate_wholebody(
    truth: Annotations, rows: Rows, sigmas: Sequence[float] | None = None
) -> dict[str, float]:
    """Return COCO's ten numbers of the whole and of each part; NaN where nothing is to be found.

    Args:
        truth: people of 133 joints.
        rows: result rows of 133 joints.
        sigmas: 133 spreads, by default the skeleton's.

    Returns:
        "whole AP", "body AP", ... and "hands AP" ...: papers report hands as the mean of both.

    Raises:
        DataError: a row is damaged, or of an image that the data set does not have.
    """
    spreads = np.asarray(truth.skeleton.sigmas if sigmas is None else sigmas, np.float64)
    rows = match_results(rows, truth)
    everybody = pose_table(truth, rows, most=None)
    numbers = {}
    for part, joints in PARTS.items():
        table = part_table(everybody, rows, part)
        found = numbers_of(pose_candidates(table, spreads[joints]))
        numbers |= {f"{part} {name}": value for name, value in found.items()}
    for name in POSE_METRICS:
        hands = numbers[f"left hand {name}"], numbers[f"right hand {name}"]
        numbers[f"hands {name}"] = sum(hands) / 2
    return numbers


class WholeBodyEvaluator(CocoEvaluator):
    """``CocoEvaluator`` that scores with ``evaluate_wholebody``, whatever ``evaluator`` says."""

    primary = "whole AP"

    def score(self, rows: Rows) -> dict[str, float]:
        """Return the numbers of result rows."""
        return evaluate_wholebody(self.truth, rows, self.skeleton.sigmas)


def join_results(rows: Rows) -> Rows:
    """Return result rows with all 133 joints in ``keypoints``, however they came.

    Raises:
        DataError: a row has neither 133 joints nor the five lists of the data set's own format.
    """
    return [{**row, "keypoints": joined_joints(row, f"Result {n}")} for n, row in enumerate(rows)]


def part_table(table: PoseTable, rows: Rows, part: str) -> PoseTable:
    """Return the poses of one part.

    Args:
        table: poses of 133 joints, with all people that the result rows have.
        rows: the result rows; a score of the part's own in them ranks it.
        part: one of ``PARTS``.
    """
    joints = PARTS[part]
    visible, key = table.visible[:, joints], SCORE_KEYS[part]
    scores = np.array([rows[n].get(key, rows[n]["score"]) for n in table.found_rows], np.float64)
    answers = np.flatnonzero((table.joint_scores[:, joints] > 0).any(axis=1))
    order = answers[sort_cells(table.found_cell[answers], scores[answers], MAX_PEOPLE)]
    chosen = replace(
        table,
        truth=np.ascontiguousarray(table.truth[:, joints]),
        visible=visible,
        ignored=table.crowd | ~visible.any(axis=1),
        found=np.ascontiguousarray(table.found[:, joints]),
        joint_scores=table.joint_scores[:, joints],
        scores=scores,
        found_areas=_extents(table.found[:, PARTS["body"]]),
    )
    return chosen.select_found(order)


def _extents(points: np.ndarray) -> np.ndarray:
    """Return (D,) areas of the boxes around joints (D, K, 2)."""
    if not len(points):
        return np.zeros(0)
    return (points.max(axis=1) - points.min(axis=1)).prod(axis=1)
