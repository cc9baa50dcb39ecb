"""Similarities of found to annotated people of the same cell, in the digits of pycocotools.

Scores depend on whether a similarity reaches a threshold and which of two is larger, so equality
to the last bit matters: terms are computed and summed in the order of the reference. Its sum over
the labelled joints of a person is NumPy's pairwise one over a packed vector; people with the same
number of labelled joints are packed into one array and summed along its rows, which is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from lib.evaluation.table import ImagePoses, PoseTable

CHUNK_PAIRS = 1 << 15  # pairs computed at once: intermediate arrays stay in the cache
NEAR = 0.5  # the least threshold of AP: less similar pairs cannot match


@dataclass(frozen=True)
class Pairs:
    """Pairs that are similar enough to be matched.

    Attributes:
        found: (P,) numbers of found people, ascending.
        truth: (P,) numbers of annotated people.
        overlaps: (P,) similarities.
    """

    found: np.ndarray
    truth: np.ndarray
    overlaps: np.ndarray


def pose_pairs(table: PoseTable, sigmas: np.ndarray, least: float = NEAR) -> Pairs:
    """Return the pairs with an object keypoint similarity of at least ``least``.

    Args:
        table: poses of a split.
        sigmas: (K,) spreads.
        least: similarity from which a pair is kept.
    """
    labelled = table.visible.sum(axis=1)
    packed = np.argsort(~table.visible, axis=1, kind="stable")  # labelled joints first, in order

    def similarity(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
        overlaps = np.empty(len(found))
        counts = labelled[truth]
        for count in np.unique(counts).tolist():
            chosen = np.flatnonzero(counts == count)
            if count:
                joints = packed[truth[chosen], :count]
                terms = _labelled(table, found[chosen], truth[chosen], joints, sigmas)
            else:
                terms = _unlabelled(table, found[chosen], truth[chosen], sigmas)
            overlaps[chosen] = terms.sum(axis=1) / terms.shape[1]
        return overlaps

    return similar_pairs(table.found_cell, table.truth_cell, similarity, least)


def similar_pairs(
    found_cell: np.ndarray,
    truth_cell: np.ndarray,
    similarity: Callable[[np.ndarray, np.ndarray], np.ndarray],
    least: float,
) -> Pairs:
    """Return the pairs of the same cell that ``similarity`` finds at least ``least`` similar.

    Args:
        found_cell: (D,) ascending.
        truth_cell: (G,) ascending.
        similarity: numbers of P found and P annotated people -> (P,) in [0, 1].
        least: similarity from which a pair is kept.
    """
    parts = []
    for found, truth in _chunks(found_cell, truth_cell):
        overlaps = similarity(found, truth)
        near = overlaps >= least
        parts.append((found[near], truth[near], overlaps[near]))
    if not parts:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    found, truth, overlaps = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Pairs(found, truth, overlaps)


def box_overlaps(found: np.ndarray, truth: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Return (P,) intersections over unions; over the found area alone where the truth is a crowd.

    Args:
        found: (P, 4) ``x, y, width, height``.
        truth: (P, 4) ``x, y, width, height``.
        crowd: (P,) bool.
    """
    high = np.minimum(found[:, 2:] + found[:, :2], truth[:, 2:] + truth[:, :2])
    sides = high - np.maximum(found[:, :2], truth[:, :2])
    shared = np.where((sides > 0).all(axis=1), sides[:, 0] * sides[:, 1], 0.0)
    area = found[:, 2] * found[:, 3]
    union = np.where(crowd, area, area + truth[:, 2] * truth[:, 3] - shared)
    return np.divide(shared, union, out=np.zeros(len(shared)), where=shared > 0)


def similarities(
    image: ImagePoses, sigmas: np.ndarray, mirror: np.ndarray | None = None
) -> np.ndarray:
    """Return (D, G, K) similarities of found joints to annotated ones, each in [0, 1].

    Where an annotated person has no labelled joint, distances are to its box grown threefold.

    Args:
        image: people of one image.
        sigmas: (K,) spreads.
        mirror: (K,) joint numbers; compare found joint ``k`` to annotated joint ``mirror[k]``.
    """
    order = np.arange(len(sigmas)) if mirror is None else mirror
    offsets = image.found[:, None] - image.truth[None, :, order]
    unlabelled = np.asarray(~image.visible.any(axis=1))
    if unlabelled.any():
        low = image.boxes[:, :2] - image.boxes[:, 2:]
        high = image.boxes[:, :2] + 2 * image.boxes[:, 2:]
        points = image.found[:, None]
        outside = np.maximum(low[:, None] - points, 0) + np.maximum(points - high[:, None], 0)
        offsets = np.where(unlabelled[:, None, None], outside, offsets)
    variances = np.square(2 * sigmas[order])
    sizes = (image.areas + np.spacing(1))[:, None]
    return np.exp(-np.square(offsets).sum(axis=-1) / variances / sizes / 2)


def mean_similarity(similarity: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Return (D, G) object similarities: the mean over labelled joints, over all if none is."""
    counted = visible | ~visible.any(axis=1, keepdims=True)
    return (similarity * counted).sum(axis=2) / np.maximum(counted.sum(axis=1), 1)


def _chunks(
    found_cell: np.ndarray, truth_cell: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield numbers of found and annotated people that share a cell, some pairs at a time."""
    first = np.searchsorted(truth_cell, found_cell)
    counts = np.searchsorted(truth_cell, found_cell, side="right") - first
    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        before = ends[start] - counts[start]
        stop = max(start + 1, int(np.searchsorted(ends, before + CHUNK_PAIRS, side="right")))
        found = np.repeat(np.arange(start, stop), counts[start:stop])
        offset = ends[found] - counts[found] - before
        if len(found):
            yield found, first[found] + np.arange(len(found)) - offset
        start = stop


def _labelled(
    table: PoseTable, found: np.ndarray, truth: np.ndarray, joints: np.ndarray, sigmas: np.ndarray
) -> np.ndarray:
    """Return (P, k) similarities of the k labelled joints of every annotated person."""
    width = table.found.shape[1]
    squares = np.zeros(joints.shape)
    for axis in (0, 1):
        there = table.found.reshape(-1)[2 * (found[:, None] * width + joints) + axis]
        there -= table.truth.reshape(-1)[2 * (truth[:, None] * width + joints) + axis]
        squares += np.square(there, out=there)
    return _similarities(squares, np.square(sigmas * 2)[joints], table.areas[truth])


def _unlabelled(
    table: PoseTable, found: np.ndarray, truth: np.ndarray, sigmas: np.ndarray
) -> np.ndarray:
    """Return (P, K) similarities of all joints to the annotated box grown threefold."""
    boxes = table.boxes[truth]
    squares = np.zeros((len(found), len(sigmas)))
    for axis in (0, 1):
        low = (boxes[:, axis] - boxes[:, 2 + axis])[:, None]
        high = (boxes[:, axis] + boxes[:, 2 + axis] * 2)[:, None]
        there = table.found[found, :, axis]
        squares += np.square(np.maximum(0, low - there) + np.maximum(0, there - high))
    return _similarities(squares, np.square(sigmas * 2), table.areas[truth])


def _similarities(squares: np.ndarray, variances: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Return ``exp(-squares / variances / areas / 2)``, computed in place."""
    squares /= variances
    squares /= (areas + np.spacing(1))[:, None]
    squares *= -0.5  # a power of two: the same as dividing and changing the sign
    return np.exp(squares, out=squares)
