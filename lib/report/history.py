"""Training curves from ``metrics.jsonl``, and where the time of a test went."""

from __future__ import annotations

from typing import Any

from lib.report.charts import Series, bar_chart, line_chart
from lib.report.page import section

_NOT_CURVES = {"kind", "epoch", "step", "seconds"}


def training_section(history: list[dict[str, Any]], primary: str) -> str:
    """Return loss, score, learning rate and speed over the optimiser's steps.

    Args:
        history: lines of ``metrics.jsonl``.
        primary: the metric to draw of the evaluations.
    """
    trained = [line for line in history if line["kind"] == "train"]
    tested = [line for line in history if line["kind"] == "val"]
    charts = []
    if len(trained) > 1:
        named = {
            name
            for line in trained
            for name, value in line.items()
            if name not in _NOT_CURVES and isinstance(value, int | float)
        }
        losses = sorted(
            n for n in named - {"lr", "samples_per_s", "waiting"} if not n.startswith("_")
        )
        if len(losses) == 2:  # one named loss and its sum are the same line
            losses = ["loss"]
        for name in [*losses, *sorted(n for n in named if n.startswith("_"))]:
            charts.append(_curve(name.lstrip("_"), trained, name))
        charts.append(_curve("learning rate", trained, "lr"))
        charts.append(_curve("samples per second", trained, "samples_per_s"))
    if len(tested) > 1:
        charts.insert(0, _curve(f"{primary} on the test split", tested, primary))
    charts = [chart for chart in charts if chart]
    if not charts:
        return ""
    return section("Training", f'<div class="charts">{"".join(charts)}</div>')


def timing_section(report: dict[str, Any]) -> str:
    """Return seconds per stage of the last test, and people per second."""
    seconds = {
        name: value
        for name, value in report.get("seconds", {}).items()
        if isinstance(value, int | float)
    }
    total = sum(seconds.values())
    if not total:
        return ""
    people = report.get("people")
    note = f"{total:.1f} s in all"
    if people:
        note += f", {people / total:.1f} people per second ({people} people)"
    bars = [(name, value, "accent") for name, value in seconds.items()]
    return section("Time of the test", bar_chart("seconds per stage", bars, " s"), note=note)


def _curve(title: str, lines: list[dict[str, Any]], name: str) -> str:
    known = [line for line in lines if isinstance(line.get(name), int | float)]
    series = Series(name, [line["step"] for line in known], [line[name] for line in known])
    return line_chart(title, [series], x_label="optimiser steps")
