"""The numbers that COCO reports, from matches: tables over all ranges, and their means."""

from __future__ import annotations

import numpy as np

from lib.evaluation.curves import RECALLS, category_curves
from lib.evaluation.matching import (
    ALL_SIZES,
    THRESHOLDS,
    Candidates,
    match,
)

SMALL, MEDIUM, LARGE = (0.0, 32.0**2), (32.0**2, 96.0**2), (96.0**2, 1e10)  # square pixels
POSE_METRICS = (
    "AP", "AP .5", "AP .75", "AP (M)", "AP (L)",
    "AR", "AR .5", "AR .75", "AR (M)", "AR (L)",
)  # fmt: skip
BOX_METRICS = (
    "AP", "AP .5", "AP .75", "AP (S)", "AP (M)", "AP (L)",
    "AR 1", "AR 10", "AR 100", "AR (S)", "AR (M)", "AR (L)",
)  # fmt: skip
POSE_SIZES = (ALL_SIZES, MEDIUM, LARGE)
BOX_SIZES = (ALL_SIZES, SMALL, MEDIUM, LARGE)
HALF, THREE_QUARTERS = 0, 5  # places among THRESHOLDS


def coco_tables(
    candidates: Candidates,
    sizes: tuple[tuple[float, float], ...] = POSE_SIZES,
    counts: tuple[int | None, ...] = (None,),
) -> tuple[np.ndarray, np.ndarray]:
    """Return all precision and recall values.

    Args:
        candidates: the objects.
        sizes: A ranges of area in square pixels.
        counts: M numbers of best found objects of an image that count.

    Returns:
        precision (T, 101, C, A, M) and recall (T, C, A, M); NaN where nothing is to be found.
    """
    shape = (candidates.categories, len(sizes), len(counts))
    precision = np.full((len(THRESHOLDS), len(RECALLS), *shape), np.nan)
    recall = np.full((len(THRESHOLDS), *shape), np.nan)
    for a, size_range in enumerate(sizes):
        matches = match(candidates, size_range=size_range)
        for c in range(candidates.categories):
            for m, most in enumerate(counts):
                curves = category_curves(matches, c, most=most)
                precision[:, :, c, a, m], recall[:, c, a, m] = curves
    return precision, recall


def pose_numbers(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """Return the numbers of ``POSE_METRICS`` from the tables; NaN where nothing was to be found."""
    numbers = []
    for table in (precision[..., 0], recall[..., 0]):  # (T, ..., A)
        at_half, at_three_quarters = table[HALF, ..., 0], table[THREE_QUARTERS, ..., 0]
        chosen = (table[..., 0], at_half, at_three_quarters, table[..., 1], table[..., 2])
        numbers += [known_mean(values) for values in chosen]
    return np.array(numbers)


def box_numbers(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """Return the numbers of ``BOX_METRICS`` from the tables; NaN where nothing was to be found."""
    best = precision[..., -1]
    numbers = [best[..., 0], best[HALF, ..., 0], best[THREE_QUARTERS, ..., 0]]
    numbers += [best[..., a] for a in (1, 2, 3)]
    numbers += [recall[..., 0, m] for m in range(3)] + [recall[..., a, -1] for a in (1, 2, 3)]
    return np.array([known_mean(values) for values in numbers])


def known_mean(values: np.ndarray) -> float:
    """Return the mean of the entries that are not NaN; NaN if none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
