"""The outcome of a sweep, best first."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from lib.sweep.samplers import Trial
from lib.sweep.store import Store

Row = dict[str, Any]


def rows_of(store: Store, seeds: Sequence[int]) -> list[Row]:
    """Return a row per trial, the best first, what has no score last.

    Returns:
        ``trial``, ``settings``, ``scores`` by seed (those there are), ``score`` (their mean, None
        until all are there) and ``note`` (what went wrong, else '').
    """
    runs = store.runs()
    rows = [_row(trial, runs, seeds) for trial in store.trials(seeds)]
    return sorted(rows, key=lambda row: (row["score"] is None, -(row["score"] or 0), row["trial"]))


def text_of(rows: Sequence[Row]) -> str:
    """Return rows as aligned text: settings, score with its deviation over seeds, notes."""
    keys = list(rows[0]["settings"]) if rows else []
    lines = [["trial", *keys, "score", "seeds", ""]]
    for row in rows:
        scores = list(row["scores"].values())
        score = spread(scores, 4) if row["score"] is not None else "-"
        values = [row["settings"][key] for key in keys]
        lines.append([str(row["trial"]), *values, score, str(len(scores)), row["note"]])
    return aligned(lines)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return lines of cells as text, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return ``mean +- deviation`` with so many digits."""
    deviation = f" +- {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{deviation}"


def _row(trial: Trial, runs: dict[tuple[int, int], Any], seeds: Sequence[int]) -> Row:
    own = [runs[trial.number, seed] for seed in seeds if (trial.number, seed) in runs]
    notes = [f"seed {run.seed}: {run.note}" for run in own if run.score is None]
    waits = "" if trial.value is not None or notes else "not finished"
    return {
        "trial": trial.number,
        "settings": trial.settings,
        "scores": {str(run.seed): run.score for run in own if run.score is not None},
        "score": trial.value,
        "note": "; ".join(notes) or waits,
    }
