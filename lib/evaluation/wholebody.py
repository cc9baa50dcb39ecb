"""COCO-WholeBody (Jin et al. 2020): 133 joints, scored as a whole and part by part.

A part is scored as a pose of its own with the area of the whole person. People without a labelled
joint of the part do not count, and a result none of whose joints of the part has a positive score
does not answer for it. The file keeps the parts apart; here they are one list: body 17, foot 6,
face 68, left hand 21, right hand 21.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lib.evaluation.coco_files import Rows
from lib.evaluation.table import MAX_PEOPLE, PoseTable, sort_cells
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import DataError

KEYS = {
    "keypoints": 17,
    "foot_kpts": 6,
    "face_kpts": 68,
    "lefthand_kpts": 21,
    "righthand_kpts": 21,
}
JOINTS = sum(KEYS.values())
PARTS = {
    "whole": slice(0, JOINTS),
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


def join_parts(content: dict[str, Any]) -> dict[str, Any]:
    """Return the data set with all 133 joints of every person in ``keypoints``.

    Raises:
        DataError: a person lacks a part, or it has another number of joints.
    """
    annotations = []
    for number, row in enumerate(content.get("annotations") or ()):
        joined = _joined(row, f"Annotation {row.get('id', number)}")
        count = sum(v > 0 for v in joined[2::3])
        annotations.append({**row, "keypoints": joined, "num_keypoints": count})
    names = list(load_skeleton("wholebody").joints)
    kinds = [{**kind, "keypoints": names} for kind in content.get("categories") or ()]
    kinds = [{k: v for k, v in kind.items() if k != "skeleton"} for kind in kinds]
    return {**content, "annotations": annotations, "categories": kinds}


def join_results(rows: Rows) -> Rows:
    """Return result rows with all 133 joints in ``keypoints``, however they came.

    Raises:
        DataError: a row has neither 133 joints nor the five lists of the data set's own form.
    """
    return [{**row, "keypoints": _joined(row, f"Result {n}")} for n, row in enumerate(rows)]


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


def _joined(row: dict[str, Any], name: str) -> list[float]:
    if len(row.get("keypoints") or ()) == 3 * JOINTS:
        return row["keypoints"]
    numbers: list[float] = []
    for key, count in KEYS.items():
        part = row.get(key)
        if not isinstance(part, list) or len(part) != 3 * count:
            length = len(part) if isinstance(part, list) else "no"
            raise DataError(
                f"{name} has {length} numbers in '{key}', wanted {3 * count}: COCO-WholeBody has "
                f"{JOINTS} joints of x, y, v in 'keypoints', or apart in {', '.join(KEYS)}."
            )
        numbers += part
    return numbers


def _extents(points: np.ndarray) -> np.ndarray:
    """Return (D,) areas of the boxes around joints (D, K, 2)."""
    if not len(points):
        return np.zeros(0)
    return (points.max(axis=1) - points.min(axis=1)).prod(axis=1)
