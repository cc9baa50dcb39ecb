"""``keypoints`` of annotations -> (N, K, 3): x, y and COCO's visibility."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lib.annotations.columns import Rows, array_of, flagged, number_of
from lib.annotations.decisions import Decisions
from lib.structures.skeleton import Skeleton
from lib.utils.errors import DataError

VISIBLE = 2
LARGEST_COUNT = 10_000  # of joints; a larger number is a mistake
FEWEST_SHARES = 3  # joints that show that all are shares of a picture
UNCOUNTED = ("head", "neck")  # joints that CrowdPose's files leave out of 'num_keypoints'


def read_joints(
    rows: Rows, labels: Sequence[Any], skeleton: Skeleton, decisions: Decisions
) -> np.ndarray:
    """Return (N, K, 3) float64 ``x, y, visibility`` (0, 1 or 2) of all annotations.

    A joint is not labelled where its x or y is null, NaN or both are -1, whatever its visibility;
    true stands for visible. An annotation without ``keypoints`` has none labelled.

    Raises:
        DataError: a list of another length, something else than numbers, a visibility that is
            not 0, 1 or 2; or all joints are shares of their picture.
    """
    width = 3 * skeleton.num_joints
    blank = [0] * width
    values = [row.get("keypoints") or blank for row in rows]
    table = array_of(values, width)
    if table is None:
        table = _slow_table(values, labels, skeleton, decisions)
    triples = table.reshape(-1, skeleton.num_joints, 3)
    seen = triples[..., 2]
    if not (seen == VISIBLE).any():
        _read_truth_values(values, triples, labels, decisions)
    _unlabel(triples, labels, decisions)
    _check_numbers(triples, labels, decisions)
    _refuse_shares(triples, decisions)
    return triples


def count_labelled(
    rows: Rows, triples: np.ndarray, labels: Sequence[Any], skeleton: Skeleton, decisions: Decisions
) -> np.ndarray:
    """Return (N,) int32 ``num_keypoints``, counted where a file lacks or contradicts it.

    CrowdPose's own files leave head and neck out of the count; people with no other joint are
    ignored in its scores.
    """
    labelled = triples[..., 2] > 0
    counts = labelled.sum(axis=1)
    part = labelled[:, [name not in UNCOUNTED for name in skeleton.joints]].sum(axis=1)
    written: list[Any] = [row.get("num_keypoints") for row in rows]
    if not set(map(type, written)) <= {int} or max(map(abs, written), default=0) > LARGEST_COUNT:
        written = [_whole(value, labels[n], decisions) for n, value in enumerate(written)]
    given = np.array([-1 if value is None else value for value in written], np.int64)
    wrong = (given >= 0) & (given != counts) & (given != part)
    if wrong.any():
        decisions.add(
            "num_keypoints",
            "{n} 'num_keypoints' contradict the joints; the joints count",
            flagged(labels, wrong),
        )
    return np.where((given < 0) | wrong, counts, given).astype(np.int32)


def _whole(value: Any, label: Any, decisions: Decisions) -> int | None:
    number = number_of(value)
    if number is None:
        return None
    if not isinstance(number, int | float) or not -1 <= number <= LARGEST_COUNT or number % 1:
        raise DataError(
            f"{decisions.path}: 'num_keypoints' of annotation {label} must be a whole number, got "
            f"{value!r:.40}."
        )
    return int(number)


def _slow_table(
    values: list[Any], labels: Sequence[Any], skeleton: Skeleton, decisions: Decisions
) -> np.ndarray:
    """Return the (N, 3K) numbers of lists of which at least one is not plain."""
    texts, nested = [], []
    table = np.empty((len(values), 3 * skeleton.num_joints))
    for n, value in enumerate(values):
        flat = value
        if isinstance(value, list) and value and all(isinstance(joint, list) for joint in value):
            flat = [number for joint in value for number in joint]
            nested.append(labels[n])
        if isinstance(flat, list) and any(isinstance(number, str) for number in flat):
            texts.append(labels[n])
        table[n] = _row(flat, labels[n], skeleton, decisions)
    if nested:
        decisions.add("keypoints", "{n} 'keypoints' are lists of joints, and read flat", nested)
    if texts:
        decisions.add("keypoints", "{n} 'keypoints' are texts, and read as numbers", texts)
    return table


def _row(value: Any, label: Any, skeleton: Skeleton, decisions: Decisions) -> np.ndarray:
    wanted = 3 * skeleton.num_joints
    numbers = (
        [number_of(v) if isinstance(v, str) else v for v in value]
        if isinstance(value, list)
        else None
    )
    if numbers is None or not all(v is None or isinstance(v, int | float) for v in numbers):
        raise DataError(
            f"{decisions.path}: 'keypoints' of annotation {label} must list numbers, got "
            f"{value!r:.80}."
        )
    if len(numbers) == 2 * skeleton.num_joints:
        raise DataError(
            f"{decisions.path}: annotation {label} has {len(numbers)} numbers in 'keypoints', x "
            "and y of "
            f"{skeleton.num_joints} joints without visibility; write x, y, v, with v 0 where a "
            "joint is not labelled."
        )
    if len(numbers) != wanted:
        raise DataError(
            f"{decisions.path}: annotation {label} has {len(numbers) / 3:g} joints "
            f"({len(numbers)} numbers "
            f"in 'keypoints'), the skeleton '{skeleton.name}' has {skeleton.num_joints} "
            f"({wanted}); set "
            "DATASET.SKELETON and MODEL.NUM_JOINTS."
        )
    try:
        return np.array([np.nan if v is None else v for v in numbers], np.float64)
    except OverflowError:
        raise DataError(
            f"{decisions.path}: annotation {label} has a joint that is not a finite number."
        ) from None


def _read_truth_values(
    values: list[Any], triples: np.ndarray, labels: Sequence[Any], decisions: Decisions
) -> None:
    """Take true for visible, in files that have no visibility 2."""
    rows = []
    for n, value in enumerate(values):
        marks = [joint[-1] for joint in value] if isinstance(value[0], list) else value[2::3]
        if any(isinstance(mark, bool) for mark in marks):
            triples[n, :, 2] *= VISIBLE
            rows.append(labels[n])
    if rows:
        decisions.add(
            "keypoints", "{n} annotations say true or false for visibility: true is 2", rows
        )


def _unlabel(triples: np.ndarray, labels: Sequence[Any], decisions: Decisions) -> None:
    """Zero the joints that are marked as not labelled by null, NaN or -1."""
    points, seen = triples[..., :2], triples[..., 2]
    gone = np.isnan(points).any(axis=2) | (points == -1).all(axis=2)
    empty = gone | (seen == -1)
    odd = empty & (np.isnan(triples).any(axis=2) | (seen != 0))
    if odd.any():
        decisions.add(
            "keypoints",
            f"{odd.sum()} joints are NaN, null or -1: not labelled, in {{n}} annotations",
            flagged(labels, odd.any(axis=1)),
        )
    triples[empty] = 0


def _check_numbers(triples: np.ndarray, labels: Sequence[Any], decisions: Decisions) -> None:
    bad = ~np.isfinite(triples[..., :2]).all(axis=(1, 2))
    if bad.any():
        where = labels[int(bad.argmax())]
        raise DataError(
            f"{decisions.path}: annotation {where} has a joint that is not a finite number."
        )
    seen = triples[..., 2]
    strange = ~((seen == 0) | (seen == 1) | (seen == VISIBLE))
    if strange.any():
        row, joint = np.argwhere(strange)[0]
        raise DataError(
            f"{decisions.path}: annotation {labels[row]} has a visibility that is not 0, 1 or 2: "
            f"{seen[row, joint]:g} of joint {joint} ('keypoints' are x, y, v)."
        )


def _refuse_shares(triples: np.ndarray, decisions: Decisions) -> None:
    """Refuse joints that all lie in the first pixel, at fractions of it: they are no pixels."""
    points = triples[triples[..., 2] > 0, :2]
    inside = ((points >= 0) & (points <= 1)).all()
    if len(points) >= FEWEST_SHARES and inside and (points % 1).any():
        raise DataError(
            f"{decisions.path}: all joints lie between 0 and 1, so they are shares of their "
            "picture: multiply x by its width and y by its height; 'keypoints' are pixels."
        )
