"""Which found object belongs to which annotated one, by the COCO rules, for all images at once.

Lin et al. 2014 (cocodataset.org): found objects choose in the order of their scores, each the free
annotated one most similar to it. Choices of different images do not touch each other, so all
objects of the same rank choose together: the loop is over ranks (20 for poses), not over images,
thresholds or objects. The numbers are those of pycocotools.
Letters: I images, C categories, G annotated and D found objects of all images, P similar pairs, T
similarity thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from lib.evaluation.pairs import Pairs, pose_pairs
from lib.evaluation.table import ImagePoses, PoseTable, ranks

THRESHOLDS = np.linspace(0.5, 0.95, 10)
ALL_SIZES = (0.0, 1e10)  # square pixels


@dataclass(frozen=True)
class Candidates:
    """All that matching needs to know of annotated and found objects, poses or boxes.

    Attributes:
        images: I.
        categories: C.
        areas: (G,) square pixels.
        crowd: (G,) bool, regions that any number of found objects may match.
        ignored: (G,) bool, objects that count neither as found nor as missed.
        truth_cell: (G,) ``category * I + image``, ascending.
        scores: (D,), falling within a cell.
        found_areas: (D,) square pixels.
        found_cell: (D,) ascending.
        pairs: which are similar.
    """

    images: int
    categories: int
    areas: np.ndarray
    crowd: np.ndarray
    ignored: np.ndarray
    truth_cell: np.ndarray
    scores: np.ndarray
    found_areas: np.ndarray
    found_cell: np.ndarray
    pairs: Pairs


@dataclass
class Matches:
    """Outcome for all found objects.

    Attributes:
        scores: (D,).
        cell: (D,) ``category * I + image``, ascending.
        hit: (T, D) bool, matched to a counted annotated object.
        counted: (T, D) bool; False where a found object is neither right nor wrong.
        wanted: (C, I) annotated objects that count.
        truth_index: (T, D) number of the matched annotated object, -1 for none.
    """

    scores: np.ndarray
    cell: np.ndarray
    hit: np.ndarray
    counted: np.ndarray
    wanted: np.ndarray
    truth_index: np.ndarray

    @property
    def images(self) -> int:
        """I."""
        return self.wanted.shape[1]

    @cached_property
    def orders(self) -> list[np.ndarray]:
        """C lists of found objects, best first: resampling asks for them a thousand times."""
        bounds = np.arange(len(self.wanted) + 1) * self.images
        places = np.searchsorted(self.cell, bounds).tolist()
        return [
            start + np.argsort(-self.scores[start:stop], kind="stable")
            for start, stop in pairwise(places)
        ]


def pose_candidates(table: PoseTable, sigmas: np.ndarray) -> Candidates:
    """Return the candidates of a table of poses.

    Args:
        table: poses of a split.
        sigmas: (K,) spreads.
    """
    return Candidates(
        images=len(table.image_ids),
        categories=len(table.category_ids),
        areas=table.areas,
        crowd=table.crowd,
        ignored=table.ignored,
        truth_cell=table.truth_cell,
        scores=table.scores,
        found_areas=table.found_areas,
        found_cell=table.found_cell,
        pairs=pose_pairs(table, sigmas),
    )


def match(
    candidates: Candidates,
    *,
    size_range: tuple[float, float] = ALL_SIZES,
    ignored: np.ndarray | None = None,
    thresholds: np.ndarray = THRESHOLDS,
) -> Matches:
    """Match the objects of all images.

    Args:
        candidates: the objects.
        size_range: areas in square pixels that count; outside it objects are ignored.
        ignored: (G,) bool, what does not count, instead of the annotated flags.
        thresholds: (T,) least similarities.
    """
    low, high = size_range
    skip = candidates.ignored if ignored is None else ignored
    skip = skip | (candidates.areas < low) | (candidates.areas > high)
    place = ranks(candidates.found_cell)
    taken = match_pairs(candidates.pairs, place, skip, candidates.crowd, thresholds)
    matched = taken >= 0
    on_skipped = matched & np.append(skip, False)[taken]
    outside = (candidates.found_areas < low) | (candidates.found_areas > high)
    cells = candidates.categories * candidates.images
    wanted = np.bincount(candidates.truth_cell[~skip], minlength=cells)
    return Matches(
        scores=candidates.scores,
        cell=candidates.found_cell,
        hit=matched & ~on_skipped,
        counted=~on_skipped & (matched | ~outside),
        wanted=wanted.reshape(candidates.categories, candidates.images),
        truth_index=taken,
    )


def match_pairs(
    pairs: Pairs, place: np.ndarray, ignored: np.ndarray, crowd: np.ndarray, thresholds: np.ndarray
) -> np.ndarray:
    """Give found objects, best first, the free annotated object most similar to them.

    Counted objects go before ignored ones, and of equals the later is taken; crowd regions can be
    taken again and again.

    Args:
        pairs: P similar pairs; less similar ones than the thresholds do no harm.
        place: (D,) rank of every found object in its image, 0 for the best.
        ignored: (G,) bool.
        crowd: (G,) bool.
        thresholds: (T,) least similarities.

    Returns:
        (T, D) numbers of annotated objects, -1 for none.
    """
    least = np.minimum(thresholds, 1 - 1e-10)[:, None]
    taken = np.full((len(thresholds), len(place)), -1)
    free = np.ones((len(thresholds), len(ignored)), bool)
    order = np.lexsort(
        (-pairs.truth, -pairs.overlaps, ignored[pairs.truth], pairs.found, place[pairs.found])
    )
    found, truth, overlaps = pairs.found[order], pairs.truth[order], pairs.overlaps[order]
    bounds = np.flatnonzero(np.diff(place[found], prepend=-1, append=-1)).tolist()
    for start, stop in pairwise(bounds):
        people, options = found[start:stop], truth[start:stop]
        fits = (overlaps[start:stop] >= least) & free[:, options]
        first = np.flatnonzero(np.diff(people, prepend=-1))  # where the next one starts to choose
        choice = np.where(fits, np.arange(stop - start), stop - start)
        choice = np.minimum.reduceat(choice, first, axis=1)  # the options stand in order of liking
        rows, columns = np.nonzero(choice < stop - start)
        chosen = options[choice[rows, columns]]
        taken[rows, people[first[columns]]] = chosen
        free[rows, chosen] = crowd[chosen]
    return taken


def match_people(
    overlaps: np.ndarray, ignored: np.ndarray, crowd: np.ndarray, thresholds: np.ndarray
) -> np.ndarray:
    """Match the people of one image; see ``match_pairs``.

    Args:
        overlaps: (D, G) similarities, best found people first.
        ignored: (G,) bool.
        crowd: (G,) bool.
        thresholds: (T,) least similarities.

    Returns:
        (T, D) numbers of annotated people, -1 for none.
    """
    found, truth = np.nonzero(overlaps >= min(float(thresholds.min()), 1 - 1e-10))
    pairs = Pairs(found, truth, overlaps[found, truth])
    return match_pairs(pairs, np.arange(len(overlaps)), ignored, crowd, thresholds)


def match_images(
    images: Sequence[ImagePoses],
    overlaps: Sequence[np.ndarray],
    *,
    size_range: tuple[float, float] = ALL_SIZES,
    ignored: Sequence[np.ndarray] | None = None,
    thresholds: np.ndarray = THRESHOLDS,
) -> Matches:
    """Match cells that stand apart, such as those whose poses were changed.

    Args:
        images: cells in the order of ``PoseTable.images``.
        overlaps: their similarity matrices (D, G).
        size_range: areas in square pixels that count; outside it people are ignored.
        ignored: masks (G,) of people that do not count, instead of the annotated ones.
        thresholds: (T,) least similarities.
    """
    skip = None if ignored is None else _joined(ignored, bool)
    candidates = join_images(images, overlaps, float(thresholds.min()))
    return match(candidates, size_range=size_range, ignored=skip, thresholds=thresholds)


def join_images(
    images: Sequence[ImagePoses], overlaps: Sequence[np.ndarray], least: float
) -> Candidates:
    """Return the candidates of cells; arguments as for ``match_images``.

    Args:
        images: cells.
        overlaps: their similarity matrices (D, G).
        least: similarity from which a pair is kept.
    """
    found_counts = np.array([len(image.scores) for image in images], np.int64)
    truth_counts = np.array([len(image.areas) for image in images], np.int64)
    categories = max((image.category for image in images), default=0) + 1
    count = sum(image.category == 0 for image in images)
    place = {image.image_id: n for n, image in enumerate(images[:count])}
    cells = np.array([i.category * count + place[i.image_id] for i in images], np.int64)
    near = [np.nonzero(overlap >= min(least, 1 - 1e-10)) for overlap in overlaps]
    found_starts = np.cumsum(found_counts) - found_counts
    truth_starts = np.cumsum(truth_counts) - truth_counts
    both = zip(near, found_starts.tolist(), truth_starts.tolist(), strict=True)
    places = [(d + found, g + truth) for (d, g), found, truth in both]
    return Candidates(
        images=count,
        categories=categories,
        areas=_joined([image.areas for image in images]),
        crowd=_joined([image.crowd for image in images], bool),
        ignored=_joined([image.ignored for image in images], bool),
        truth_cell=np.repeat(cells, truth_counts),
        scores=_joined([image.scores for image in images]),
        found_areas=_joined([image.found_areas for image in images]),
        found_cell=np.repeat(cells, found_counts),
        pairs=Pairs(
            _joined([d for d, _ in places], np.int64),
            _joined([g for _, g in places], np.int64),
            _joined([table[at] for table, at in zip(overlaps, near, strict=True)]),
        ),
    )


def _joined(parts: Sequence[np.ndarray], kind: type = np.float64) -> np.ndarray:
    return np.concatenate(parts) if len(parts) else np.zeros(0, kind)
