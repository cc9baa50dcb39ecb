"""Numbers as people read them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

CONFIDENCE = 0.95  # of intervals


def number(value: float | None, digits: int = 3, *, sign: bool = False) -> str:
    """Return a number as text, ``n/a`` where there is none (None, NaN, infinity)."""
    if value is None or not math.isfinite(value):
        return "n/a"
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return where the mean of such values lies with 95 %, by Student's t; two are the fewest."""
    from scipy.stats import t

    mean, count = statistics.mean(values), len(values)
    reach = t.ppf((1 + CONFIDENCE) / 2, count - 1) * statistics.stdev(values) / count**0.5
    return mean - float(reach), mean + float(reach)
