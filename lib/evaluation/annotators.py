"""How far annotators differ about the same joints: the sigmas of object keypoint similarity.

COCO's definition (cocodataset.org, keypoint evaluation): ``sigma^2 = E[d^2 / s^2]``
with ``d`` the distance of an annotation from the joint in pixels and ``s`` the square root of the
person's area. The joint itself is not known: it is replaced by the mean of its annotations, and
n - 1 of n annotations counted for it. If annotations scatter alike in x and y, sigma is the square
root of 2 times their standard deviation along one axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.annotations.form import Annotations
from lib.utils.errors import DataError

FARTHEST = 0.5  # median distance of joints, in sizes of the person, at which it may be the same one
OUTLIER = 4.0  # robust sigmas beyond which an annotation means another point
MEDIAN = np.sqrt(np.log(2))  # median over root mean square of distances that scatter normally


@dataclass(frozen=True)
class Spread:
    """What repeated annotations say about one joint.

    Attributes:
        joint: its name.
        sigma: the estimate; NaN where nobody was annotated twice.
        low: lower end of its interval.
        high: upper end.
        people: annotated by at least two, that count.
        outliers: people left out, about whom annotators mean different points (left and right
            swapped, somebody else's joint).
    """

    joint: str
    sigma: float
    low: float
    high: float
    people: int
    outliers: int

    @property
    def per_axis(self) -> float:
        """Standard deviation along x or y."""
        return self.sigma / float(np.sqrt(2))


@dataclass(frozen=True)
class _Person:
    """Everybody's annotations of one person: n x (K, 3) triples, and areas."""

    triples: list[np.ndarray]
    areas: list[float]

    def middle(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (K, 2) mean places, and (K,) bool of joints that anybody has labelled."""
        stack = np.stack(self.triples)
        seen = stack[..., 2] > 0
        count = np.maximum(seen.sum(axis=0), 1)
        return (stack[..., :2] * seen[..., None]).sum(axis=0) / count[:, None], np.asarray(
            seen.any(axis=0)
        )


def measure_sigmas(
    parts: Sequence[Annotations], *, confidence: float = 0.95, resamples: int = 1000, seed: int = 0
) -> list[Spread]:
    """Return the spread of every joint from annotations of the same pictures by several people.

    Args:
        parts: one per annotator; pictures are the same where their names are.
        confidence: coverage of the intervals (percentiles of a bootstrap over people).
        resamples: draws of the bootstrap.
        seed: of the draws.

    Raises:
        DataError: there are fewer than two, their joints differ, nobody is annotated twice, or all
            say the same.
    """
    joints = parts[0].skeleton.joints if parts else ()
    if len(parts) < 2:
        raise DataError("Sigmas need the same people annotated at least twice: give several files.")
    for part in parts[1:]:
        if part.skeleton.joints != joints:
            raise DataError(f"{part.path} annotates other joints than {parts[0].path}.")
    people = _same_people(parts)
    if not any(len(person.triples) > 1 for person in people):
        raise DataError(
            f"Nobody in {parts[0].path} is annotated in another file, too: pictures are matched by "
            "name, and people by where their joints are."
        )
    rng = np.random.default_rng(seed)
    squares, freedom = _squares(people, len(joints))
    tail = (1 - confidence) / 2
    found = []
    for k, joint in enumerate(joints):
        sums, counts, outliers = _without_outliers(squares[:, k], freedom[:, k])
        low = high = sigma = float("nan")
        if len(sums):
            sigma = float(np.sqrt(sums.sum() / counts.sum()))
        if len(sums) > 1:
            draws = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), resamples)
            spread = np.sqrt((draws @ sums) / (draws @ counts))
            low, high = np.quantile(spread, [tail, 1 - tail]).tolist()
        found.append(Spread(joint, sigma, low, high, len(sums), outliers))
    if not any(spread.sigma > 0 for spread in found):
        raise DataError(
            f"The annotators of {parts[0].path} agree to the last digit: are the files copies?"
        )
    return found


def _squares(people: Sequence[_Person], joints: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (P, K) sums of squared distances from the mean, in sizes, and (P, K) n - 1."""
    squares, freedom = np.zeros((len(people), joints)), np.zeros((len(people), joints))
    for row, person in enumerate(people):
        stack = np.stack(person.triples)
        seen = stack[..., 2] > 0
        mean, _ = person.middle()
        distances = np.square(stack[..., :2] - mean).sum(axis=2) * seen
        squares[row] = distances.sum(axis=0) / np.mean(person.areas)
        freedom[row] = seen.sum(axis=0) - 1
    return squares, freedom


def _without_outliers(
    squares: np.ndarray, freedom: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return sums and n - 1 of the people about whom annotators mean the same point."""
    twice = freedom > 0
    squares, freedom = squares[twice], freedom[twice]
    if not len(squares):
        return squares, freedom, 0
    spread = np.sqrt(squares / freedom)
    robust = float(np.median(spread)) / MEDIAN
    good = spread <= OUTLIER * max(robust, 1e-12)
    return squares[good], freedom[good], int((~good).sum())


def _same_people(parts: Sequence[Annotations]) -> list[_Person]:
    """Return everybody with all annotations of them."""
    pictures = [_by_picture(part) for part in parts]
    keys = dict.fromkeys(key for found in pictures for key in found)
    people: list[_Person] = []
    for key in keys:
        here: list[_Person] = []
        for part, found in zip(parts, pictures, strict=True):
            _join(here, part, found.get(key, np.zeros(0, np.int64)))
        people += here
    return people


def _by_picture(part: Annotations) -> dict[str, np.ndarray]:
    """Return the people with joints of every picture, by its name without folders."""
    names = [name.decode().rpartition("/")[2] for name in part.images.files]
    if len(set(names)) < len(names):
        names = [name.decode() for name in part.images.files]
    jointed = (part.triples[..., 2] > 0).any(axis=1) & ~part.is_crowd & (part.areas > 0)
    found: dict[str, list[int]] = {}
    for n in np.flatnonzero(jointed).tolist():
        found.setdefault(names[int(part.people.image_index[n])], []).append(n)
    return {name: np.array(rows) for name, rows in found.items()}


def _join(people: list[_Person], part: Annotations, rows: np.ndarray) -> None:
    """Give an annotator's people of a picture to the people known there, or add them."""
    from scipy.optimize import linear_sum_assignment

    known = list(people)
    costs = np.full((len(rows), len(known)), 1e3)
    for a, n in enumerate(rows.tolist()):
        for b, person in enumerate(known):
            costs[a, b] = _distance(person, part.triples[n], float(part.areas[n]))
    taken = set()
    for a, b in zip(*linear_sum_assignment(costs), strict=True):
        if costs[a, b] <= FARTHEST:
            taken.add(int(a))
            known[b].triples.append(part.triples[rows[a]])
            known[b].areas.append(float(part.areas[rows[a]]))
    for a, n in enumerate(rows.tolist()):
        if a not in taken:
            people.append(_Person([part.triples[n]], [float(part.areas[n])]))


def _distance(person: _Person, triples: np.ndarray, area: float) -> float:
    """Return the median distance of joints that both have, in sizes of the person."""
    mean, seen = person.middle()
    both = seen & (triples[:, 2] > 0)
    if not both.any():
        return 1e3
    apart = np.linalg.norm(mean[both] - triples[both, :2], axis=1)
    return float(np.median(apart)) / float(np.sqrt((area + np.mean(person.areas)) / 2))
