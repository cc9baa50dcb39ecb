"""Is one run better than another, or luck? The paired bootstrap over images (Efron 1979)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lib.evaluation.curves import average_precision
from lib.evaluation.matching import Matches

Statistic = Callable[["np.ndarray | None"], float]


@dataclass(frozen=True)
class Difference:
    """How much better the second of two runs is.

    Attributes:
        ap: AP (or another number) of the second run minus that of the first.
        low: lower end of the interval that holds the true difference.
        high: its upper end.
        better: share of resamples in which the second run is better.
    """

    ap: float
    low: float
    high: float
    better: float


def paired_bootstrap(
    first: Matches,
    second: Matches,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Draw the images with replacement, the same ones for both runs, and compare their AP.

    Args:
        first: matches of the one run.
        second: matches of the other, over the same images in the same order.
        resamples: number of draws.
        confidence: coverage of the percentile interval.
        seed: of the draws.

    Raises:
        ValueError: the runs are not over the same images.
    """
    if not np.array_equal(first.wanted, second.wanted):
        raise ValueError("the two runs are not matched to the same images")
    return bootstrap_difference(
        lambda weights: average_precision(first, weights),
        lambda weights: average_precision(second, weights),
        first.images,
        resamples=resamples,
        confidence=confidence,
        seed=seed,
    )


def bootstrap_difference(
    first: Statistic,
    second: Statistic,
    images: int,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Draw the images with replacement, the same ones for both runs, and compare a number.

    Args:
        first: the number of the one run by (I,) counts of images, None counting each once.
        second: that of the other.
        images: I.
        resamples: number of draws.
        confidence: coverage of the percentile interval.
        seed: of the draws.
    """
    random = np.random.default_rng(seed)
    draws = np.full(resamples, np.nan)
    for number in range(resamples):
        weights = np.bincount(random.integers(0, images, images), minlength=images)
        draws[number] = second(weights) - first(weights)
    draws = draws[np.isfinite(draws)]  # a draw may hold nobody to find
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail]) if len(draws) else (np.nan, np.nan)
    return Difference(
        ap=second(None) - first(None),
        low=float(low),
        high=float(high),
        better=float(((draws > 0) + 0.5 * (draws == 0)).mean()) if len(draws) else float("nan"),
    )
