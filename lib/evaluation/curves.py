"""Matches -> precision over recall, and AP, by the COCO rules (Lin et al. 2014).

Letters as in ``lib.evaluation.matching``: I images, T similarity thresholds.
"""

from __future__ import annotations

import numpy as np

from lib.evaluation.matching import Matches
from lib.evaluation.table import ranks

RECALLS = np.linspace(0.0, 1.0, 101)


def precision_curves(
    matches: Matches, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the interpolated precision at 101 recalls, and the recall reached.

    Args:
        matches: outcome of I images.
        weights: (I,) how often every image counts; None counts each once.

    Returns:
        precision (T, 101) and recall (T,), means over the categories that have something to find;
        NaN if none has.
    """
    curves = [category_curves(matches, c, weights) for c in range(len(matches.wanted))]
    known = [(p, r) for p, r in curves if not np.isnan(r[0])]
    if not known:
        return curves[0]
    return tuple(np.mean(column, axis=0) for column in zip(*known, strict=True))


def category_curves(
    matches: Matches, category: int, weights: np.ndarray | None = None, most: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``precision_curves`` of one category.

    Args:
        matches: outcome.
        category: its position.
        weights: (I,) how often every image counts; None counts each once.
        most: best found objects of an image that count; None counts all.
    """
    images = matches.images
    wanted = matches.wanted[category] @ (np.ones(images) if weights is None else weights)
    thresholds = len(matches.hit)
    if wanted == 0:
        return np.full((thresholds, len(RECALLS)), np.nan), np.full(thresholds, np.nan)
    order = matches.orders[category]
    if most is not None:
        order = order[ranks(matches.cell)[order] < most]
    share = None if weights is None else weights[matches.cell[order] % images]
    precision = np.zeros((thresholds, len(RECALLS)))
    recall = np.zeros(thresholds)
    for t in range(thresholds if len(order) else 0):
        hit, counted = matches.hit[t, order], matches.counted[t, order]
        precision[t], recall[t] = _curve(hit, counted, share, wanted)
    return precision, recall


def average_precision(matches: Matches, weights: np.ndarray | None = None) -> float:
    """Return AP over all thresholds; arguments as for ``precision_curves``."""
    return float(precision_curves(matches, weights)[0].mean())


def _curve(
    hit: np.ndarray, counted: np.ndarray, share: np.ndarray | None, wanted: float
) -> tuple[np.ndarray, float]:
    """Return (101,) precision and the recall of objects in falling order of their scores.

    Precision can only be highest at a hit, so hits alone are looked at.
    """
    places = np.flatnonzero(hit)
    if not len(places):
        return np.zeros(len(RECALLS)), 0.0
    hits = np.arange(1.0, len(places) + 1) if share is None else np.cumsum(share[places])
    tried = np.cumsum(counted if share is None else counted * share)[places]
    recall = hits / wanted
    precision = hits / (tried + np.spacing(1))
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return envelope[np.searchsorted(recall, RECALLS)], float(recall[-1])
