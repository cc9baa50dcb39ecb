"""Predictions and scores over the levels of a factor, with intervals.

Intervals are percentiles of the bootstrap over pictures (Efron 1979): people of one picture are
drawn together, and all levels and models see the same draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lib.evaluation.confidence import BINS
from lib.evaluation.curves import average_precision
from lib.evaluation.diagnosis import GOOD, JITTER, JOINT_ERRORS, ImageErrors, find_errors
from lib.evaluation.matching import (
    Matches,
    match_images,
)
from lib.evaluation.table import ImagePoses
from lib.stress.factors import Factor
from lib.stress.view import View
from lib.structures.results import PoseResult
from lib.structures.skeleton import Skeleton

# Pictures (H, W, 3) and their boxes (N, 4) -> the people of each.
Predict = Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], list[list[PoseResult]]]
AT_ONCE = 16  # pictures held changed at a time
MOST_FOUND = 20  # people of a picture that COCO's rules look at
CALIBRATION = "calibration error"


@dataclass(frozen=True)
class Estimate:
    """A number with the 95 % interval of the pictures' doubt; NaN where nothing is to be scored."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Point:
    """Scores at one level.

    Attributes:
        level: of the factor.
        people: views with a labelled joint left.
        numbers: ``AP``; shares of ``JOINT_ERRORS``; ``calibration error`` of joints; and ``PCK
            <joint>``, the share near the truth (similarity at least 0.5), for every joint.
        of_clean: AP as a share of that of the first level.
    """

    level: float
    people: int
    numbers: dict[str, Estimate]
    of_clean: Estimate


@dataclass(frozen=True)
class Curve:
    """The points of a factor for one model; the first is the unchanged one."""

    factor: str
    unit: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class _Tally:
    """What scores are made of, per view: V views, K joints, B bins of the score.

    Attributes:
        matches: for AP.
        kinds: (V, K * 5) labelled joints of matched people by ``JOINT_ERRORS``.
        bins: (V, 2 * B) sums of score minus right, and counts.
        people: views that count.
    """

    matches: Matches
    kinds: np.ndarray
    bins: np.ndarray
    people: int


def response_curve(
    name: str,
    factor: Factor,
    views: Sequence[View],
    predict: Predict,
    skeleton: Skeleton,
    *,
    seed: int = 0,
    resamples: int = 300,
) -> Curve:
    """Measure a model over the levels of a factor.

    Args:
        name: of the factor.
        factor: what changes.
        views: unchanged, V of them.
        predict: the model.
        skeleton: the K joints of views and of what the model gives.
        seed: of changes and draws; the same seed gives the same curve.
        resamples: draws for the intervals.
    """
    tallies = [
        _tally(_errors(views, factor, level, predict, skeleton, seed), skeleton.num_joints)
        for level in factor.levels
    ]
    draws = _draws(np.array([view.group for view in views]), resamples, seed)
    values = [[_numbers(tally, draw, skeleton) for draw in draws] for tally in tallies]
    points = [
        Point(
            level=level,
            people=tally.people,
            numbers={key: _estimate([v[key] for v in own]) for key in own[0]},
            of_clean=_estimate(
                [_share(v["AP"], c["AP"]) for v, c in zip(own, values[0], strict=True)]
            ),
        )
        for level, tally, own in zip(factor.levels, tallies, values, strict=True)
    ]
    return Curve(name, factor.unit, tuple(points))


def neighbour(views: Sequence[View], number: int) -> View:
    """Return the view whose person joins view ``number``: the next one that has an outline."""
    order = [*range(number + 1, len(views)), *range(number + 1)]
    return next((views[n] for n in order if views[n].outline), views[number])


def _errors(
    views: Sequence[View],
    factor: Factor,
    level: float,
    predict: Predict,
    skeleton: Skeleton,
    seed: int,
) -> list[ImageErrors]:
    """Return the errors of a model on all views at a level."""
    sigmas, found = np.asarray(skeleton.sigmas, np.float64), []
    for start in range(0, len(views), AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, len(views)))
        changed = [factor.apply(views[n], level, (seed, n), neighbour(views, n)) for n in numbers]
        people = predict([v.image for v in changed], [v.box[None] for v in changed])
        poses = [_poses(n, v, p) for n, v, p in zip(numbers, changed, people, strict=True)]
        found += [find_errors(one, sigmas, skeleton.flip_index) for one in poses]
    return found


def _poses(number: int, view: View, people: list[PoseResult]) -> ImagePoses:
    """Return truth and results of one view; only the target counts."""
    best = sorted(people, key=lambda person: -person.score)[:MOST_FOUND]
    truth = np.concatenate([view.joints[None], view.others])
    crowd = np.arange(len(truth)) > 0
    joints = truth.shape[1]
    boxes = np.array([person.box for person in best], np.float64).reshape(-1, 4)
    return ImagePoses(
        image_id=number,
        truth=truth[..., :2],
        visible=truth[..., 2] > 0,
        areas=np.append(view.area, view.other_areas),
        boxes=np.zeros((len(truth), 4)) + np.append(view.box[:2], view.box[2:] - view.box[:2]),
        crowd=crowd,
        ignored=crowd | ~(truth[..., 2] > 0).any(axis=1),
        found=np.array([p.keypoints for p in best], np.float64).reshape(-1, joints, 2),
        joint_scores=np.array([p.keypoint_scores for p in best], np.float64).reshape(-1, joints),
        scores=np.array([p.score for p in best], np.float64),
        found_areas=(boxes[:, 2:] - boxes[:, :2]).prod(axis=1),
    )


def _tally(errors: list[ImageErrors], joints: int) -> _Tally:
    kinds = np.zeros((len(errors), joints, len(JOINT_ERRORS)))
    bins = np.zeros((len(errors), 2, BINS))
    for number, one in enumerate(errors):
        for kind in range(len(JOINT_ERRORS)):
            kinds[number, :, kind] = (one.kinds == kind).sum(axis=0)
        known = one.kinds >= 0
        scores = np.clip(one.image.joint_scores[known], 0.0, 1.0)
        right = np.isin(one.kinds[known], (GOOD, JITTER))
        place = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
        bins[number] = (
            np.bincount(place, scores - right, minlength=BINS),
            np.bincount(place, minlength=BINS),
        )
    images = [one.image for one in errors]
    return _Tally(
        matches=match_images(images, [one.overlaps for one in errors]),
        kinds=kinds.reshape(len(errors), -1),
        bins=bins.reshape(len(errors), -1),
        people=sum(not image.ignored[0] for image in images),
    )


def _numbers(tally: _Tally, weights: np.ndarray, skeleton: Skeleton) -> dict[str, float]:
    """Return all numbers with views counted ``weights`` (V,) times."""
    kinds = (weights @ tally.kinds).reshape(-1, len(JOINT_ERRORS))
    gaps, counts = (weights @ tally.bins).reshape(2, BINS)
    total, by_joint = float(kinds.sum()), kinds.sum(axis=1)
    near = kinds[:, [GOOD, JITTER]].sum(axis=1)
    numbers = {"AP": average_precision(tally.matches, weights)}
    for kind, name in enumerate(JOINT_ERRORS):
        numbers[name] = _share(float(kinds[:, kind].sum()), total)
    numbers[CALIBRATION] = _share(float(np.abs(gaps).sum()), float(counts.sum()))
    for joint, name in enumerate(skeleton.joints):
        numbers[f"PCK {name}"] = _share(float(near[joint]), float(by_joint[joint]))
    return numbers


def _draws(groups: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Return (1 + R, V) counts of views: first each once, then as pictures are drawn."""
    _, group = np.unique(groups, return_inverse=True)
    pictures = int(group.max()) + 1
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(pictures, np.full(pictures, 1 / pictures), size=resamples)
    return np.concatenate([np.ones((1, len(group))), drawn[:, group]])


def _estimate(values: Sequence[float]) -> Estimate:
    """Return the first value with the percentiles of the others."""
    rest = np.array(values[1:])
    rest = rest[np.isfinite(rest)]
    low, high = np.quantile(rest, [0.025, 0.975]) if len(rest) else (np.nan, np.nan)
    return Estimate(float(values[0]), float(low), float(high))


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")
