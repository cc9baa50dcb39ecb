"""Run checks one after the other: each leaves a row, whatever becomes of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)

PASSED, FAILED, LEFT_OUT = "passed", "failed", "left out"
Row = dict[str, Any]


@dataclass(frozen=True)
class Check:
    """One thing to find out.

    Attributes:
        name: what the table calls it.
        run: returns figures by name; raises if something is wrong.
    """

    name: str
    run: Callable[[], Row]


def run_checks(
    checks: Sequence[Check], *, budget_s: float, keep: Callable[[list[Row]], object]
) -> list[Row]:
    """Run ``checks`` in order; a check that fails does not stop those behind it.

    Args:
        checks: the most important first.
        budget_s: seconds after which no further check begins.
        keep: takes all rows so far after every check, so that a cut run leaves what it found.

    Returns:
        One row per check: ``check``, ``outcome`` (``passed``, ``failed``, ``left out``),
        ``seconds``, ``figures`` and ``reason`` ('' where it passed).
    """
    begin = time.perf_counter()
    rows: list[Row] = []
    for check in checks:
        if time.perf_counter() - begin >= budget_s:
            reason = f"the {budget_s:.0f} s were over"
            rows.append(_row(check, LEFT_OUT, 0.0, {}, reason))
        else:
            rows.append(_run(check))
        keep(rows)
    return rows


def _run(check: Check) -> Row:
    start = time.perf_counter()
    try:
        figures = check.run()
    except Exception as error:  # whatever it is, it is this check's outcome
        logger.debug("%s", check.name, exc_info=True)
        reason = f"{type(error).__name__}: {error}".strip()
        return _row(check, FAILED, time.perf_counter() - start, {}, reason)
    return _row(check, PASSED, time.perf_counter() - start, figures, "")


def _row(check: Check, outcome: str, seconds: float, figures: Row, reason: str) -> Row:
    row = {"check": check.name, "outcome": outcome, "seconds": round(seconds, 2)}
    return {**row, "figures": figures, "reason": reason}


def format_rows(rows: Sequence[Row]) -> str:
    """Return one aligned line per check: outcome, seconds, its figures or why there are none."""
    lines = [("check", "outcome", "seconds", "figures")]
    for row in rows:
        figures = ", ".join(f"{name} {_short(value)}" for name, value in row["figures"].items())
        told = figures or " ".join(row["reason"].split())[:160]
        lines.append((row["check"], row["outcome"], f"{row['seconds']:.1f}", told))
    widths = [max(len(line[i]) for line in lines) for i in range(3)]
    return "\n".join("  ".join([*map(str.ljust, line, widths), line[3]]).rstrip() for line in lines)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
