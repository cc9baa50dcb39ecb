"""Scores made to mean what they say, after training: monotone maps, fitted on one half of a split.

Isotonic regression (Zadrozny and Elkan 2002) of the share of right ones over the score, made
strictly increasing, so that no order changes: joints stay where they are, and AP, which sees the
order of people only, stays as it is to the last digit. One map per joint and one for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.evaluation.coco_files import Rows
from lib.evaluation.confidence import Events, joint_events, person_events, reliability
from lib.evaluation.diagnosis import ImageErrors
from lib.utils.errors import DataError

KNOTS = 15
LEAST_EVENTS = 50  # with fewer of a joint, all joints share a map
LEAST_SLOPE = 1e-3  # logits per range of scores: no two scores become one


@dataclass(frozen=True)
class ScoreMap:
    """A strictly increasing map of any score to a probability.

    Attributes:
        scores: (M,) rising.
        logits: (M,) rising; between, logits are interpolated, beyond, the ends go on.
    """

    scores: np.ndarray
    logits: np.ndarray

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Return probabilities of any shape, in the order of the scores."""
        rise = np.diff(self.logits) / np.diff(self.scores)
        values = np.interp(scores, self.scores, self.logits)
        values += np.minimum(scores - self.scores[0], 0) * LEAST_SLOPE * max(rise[0], 1.0)
        values += np.maximum(scores - self.scores[-1], 0) * LEAST_SLOPE * max(rise[-1], 1.0)
        return 1 / (1 + np.exp(-values))


@dataclass(frozen=True)
class Calibration:
    """Maps of joint and person scores.

    Attributes:
        joints: K maps.
        person: the map of the scores of people.
    """

    joints: tuple[ScoreMap, ...]
    person: ScoreMap

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for a model card."""
        maps = {"person": self.person, **{str(k): one for k, one in enumerate(self.joints)}}
        return {
            name: {"scores": one.scores.tolist(), "logits": one.logits.tolist()}
            for name, one in maps.items()
        }


@dataclass(frozen=True)
class Judgement:
    """Calibration errors on the half that the maps were not fitted on.

    Attributes:
        joint: before and after, all joints together.
        person: before and after.
        joints: K pairs, before and after.
    """

    joint: tuple[float, float]
    person: tuple[float, float]
    joints: list[tuple[float, float]]


def read_calibration(content: Any, source: str) -> Calibration:
    """Return the calibration in the plain values of ``Calibration.as_dict``.

    Raises:
        DataError: it is something else.
    """
    try:
        maps = {
            name: ScoreMap(np.array(one["scores"], float), np.array(one["logits"], float))
            for name, one in content.items()
        }
        joints = tuple(maps[str(k)] for k in range(len(maps) - 1))
        rising = [np.diff(v) for one in maps.values() for v in (one.scores, one.logits)]
        if not all(len(steps) and (steps > 0).all() for steps in rising):
            raise ValueError("its numbers do not increase")
        return Calibration(joints, maps["person"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"'{source}' holds no calibration ({error}): it is made by tools/analyse/calibrate.py."
        ) from error


def fit_map(scores: np.ndarray, right: np.ndarray) -> ScoreMap:
    """Return the map from scores to the share of right ones.

    Args:
        scores: (N,), N at least 1.
        right: (N,) bool.
    """
    order = np.argsort(scores, kind="stable")
    parts = np.array_split(order, min(KNOTS, max(1, len(order) // 10)))
    means = np.array([scores[part].mean() for part in parts])
    counts = np.array([len(part) for part in parts], np.float64)
    shares = np.array([(right[part].sum() + 0.5) / (len(part) + 1) for part in parts])
    level = _isotonic(shares, counts)
    means, first = np.unique(means, return_index=True)
    level = np.maximum.accumulate(level[first])
    if len(means) == 1:  # one score only: a step to either side of it
        means, level = means[0] + np.array([-1e-3, 1e-3]), np.repeat(level, 2)
    reach = (means - means[0]) / (means[-1] - means[0])
    return ScoreMap(means, np.log(level / (1 - level)) + LEAST_SLOPE * reach)


def fit_calibration(images: Sequence[ImageErrors], joints: int) -> Calibration:
    """Return maps fitted on the poses of images.

    Args:
        images: diagnosed images.
        joints: K.

    Raises:
        DataError: there is no pose of anybody to learn from.
    """
    events, people = joint_events(images), person_events(images)
    if not len(events.scores) or not len(people.scores):
        raise DataError("No pose of the half to fit on belongs to an annotated person.")
    shared = fit_map(events.scores, events.right)
    maps = []
    for k in range(joints):
        mine = events.select(events.group == k)
        enough = len(mine.scores) >= LEAST_EVENTS
        maps.append(fit_map(mine.scores, mine.right) if enough else shared)
    return Calibration(tuple(maps), fit_map(people.scores, people.right))


def judge(calibration: Calibration, images: Sequence[ImageErrors]) -> Judgement:
    """Return the calibration errors of other images before and after."""
    events, people = joint_events(images), person_events(images)
    after = map_joints(calibration, events)
    joints = []
    for k in range(len(calibration.joints)):
        mine = events.group == k
        right = events.right[mine]
        joints.append(_errors(events.scores[mine], after[mine], right))
    person = _errors(people.scores, calibration.person(people.scores), people.right)
    return Judgement(_errors(events.scores, after, events.right), person, joints)


def map_joints(calibration: Calibration, events: Events) -> np.ndarray:
    """Return (N,) mapped scores of joints."""
    mapped = np.zeros(len(events.scores))
    for k, one in enumerate(calibration.joints):
        mine = events.group == k
        mapped[mine] = one(events.scores[mine])
    return mapped


def calibrated_rows(calibration: Calibration, rows: Rows) -> Rows:
    """Return result rows with mapped scores; coordinates, order and all else as they were.

    Raises:
        DataError: a row has another number of joints.
    """
    joints = len(calibration.joints)
    for number, row in enumerate(rows):
        count = len(row["keypoints"]) // 3
        if count != joints:
            raise DataError(f"Result {number} has {count} joints, the calibration {joints}.")
    if not rows:
        return []
    numbers = np.array([row["keypoints"] for row in rows], np.float64)
    for k, one in enumerate(calibration.joints):
        numbers[:, 3 * k + 2] = one(numbers[:, 3 * k + 2])
    people = in_order(calibration.person, np.array([row["score"] for row in rows], np.float64))
    return [
        {**row, "keypoints": _with_scores(row["keypoints"], changed), "score": score}
        for row, changed, score in zip(rows, numbers.tolist(), people.tolist(), strict=True)
    ]


def in_order(change: ScoreMap, scores: np.ndarray) -> np.ndarray:
    """Return mapped scores (N,) that are equal where scores are, and larger where they are.

    Scores that differ in their last digits only would fall together without the smallest step.
    """
    distinct, place = np.unique(scores, return_inverse=True)
    mapped = change(distinct)
    for n in np.flatnonzero(np.diff(mapped) <= 0).tolist():
        mapped[n + 1] = np.nextafter(mapped[n], np.inf)
        later = n + 1
        while later + 1 < len(mapped) and mapped[later + 1] <= mapped[later]:
            mapped[later + 1] = np.nextafter(mapped[later], np.inf)
            later += 1
    return mapped[place.reshape(-1)]


def _with_scores(keypoints: list[float], changed: list[float]) -> list[float]:
    """Return the coordinates as they were, with the scores of ``changed``."""
    merged = list(keypoints)
    merged[2::3] = changed[2::3]
    return merged


def halves(
    images: Sequence[ImageErrors], seed: int = 0
) -> tuple[list[ImageErrors], list[ImageErrors]]:
    """Return two halves of the images at random; an image is wholly in one."""
    order = np.random.default_rng(seed).permutation(len(images)).tolist()
    middle = len(order) // 2
    return [images[n] for n in order[:middle]], [images[n] for n in order[middle:]]


def _errors(before: np.ndarray, after: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    return reliability(before, right).error, reliability(after, right).error


def _isotonic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the nearest (weighted least squares) values that never fall: pool adjacent ones."""
    blocks: list[list[float]] = []  # value, weight, length
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            later, earlier = blocks.pop(), blocks.pop()
            total = earlier[1] + later[1]
            mean = (earlier[0] * earlier[1] + later[0] * later[1]) / total
            blocks.append([mean, total, earlier[2] + later[2]])
    return np.concatenate([np.full(int(length), value) for value, _, length in blocks])
