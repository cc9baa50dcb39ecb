"""Numbers as people read them."""

from __future__ import annotations

import math


def number(value: float | None, digits: int = 3, *, sign: bool = False) -> str:
    """Return a number as text, ``n/a`` where there is none (None, NaN, infinity)."""
    if value is None or not math.isfinite(value):
        return "n/a"
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
