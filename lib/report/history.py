"""Training curves from ``metrics.jsonl`` of one run or several, and where the time went."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lib.report.charts import Series, bar_chart, line_chart
from lib.report.page import picture, section, table, warning
from lib.utils.phases import ASIDE, COMPUTING, OF_STEPS

History = list[dict[str, Any]]  # lines of metrics.jsonl, oldest first

_FRAMES = 12  # of a film strip

_SHARES = (*OF_STEPS, COMPUTING, *ASIDE)
_MEMORY = {"host_gib": "training process", "device_gib": "device", "workers_gib": "largest loader"}
_NOT_CURVES = {"kind", "epoch", "step", "seconds", "lr", "samples_per_s", *_SHARES, *_MEMORY}


def training_section(runs: Mapping[str, History], primary: str) -> str:
    """Return loss, score, learning rate and speed over the optimiser's steps.

    Args:
        runs: what was recorded, by the names of the runs; one line in each chart per run.
        primary: the metric to draw of the evaluations.
    """
    trained = {name: lines_of(history, "train") for name, history in runs.items()}
    tested = {name: lines_of(history, "val") for name, history in runs.items()}
    charts = [_curves(f"{primary} on the test split", tested, primary)]
    for key in _curve_names(trained):
        charts.append(_curves(key.lstrip("_"), trained, key))
    charts.append(_curves("learning rate", trained, "lr"))
    charts.append(_curves("samples per second", trained, "samples_per_s"))
    charts = [chart for chart in charts if chart]
    if not charts:
        return ""
    return section("Training", f'<div class="charts">{"".join(charts)}</div>')


def resource_section(history: History, name: str = "") -> str:
    """Return where the time of a training went, its peak memory, and what to turn.

    Args:
        history: what was recorded.
        name: of the run, where there are several.
    """
    trained = lines_of(history, "train")
    timed = [line for line in trained if COMPUTING in line]
    if not timed:
        return ""
    steps = [line["step"] for line in timed]
    series = [
        Series(name, steps, [100 * line.get(name, 0.0) for line in timed])
        for name in (*OF_STEPS, *ASIDE)
    ]
    chart = line_chart(
        "per cent of the time", series, x_label="optimiser steps", y_range=(0.0, 100.0)
    )
    rows = [
        [name, f"{100 * sum(line.get(name, 0.0) for line in timed) / len(timed):.1f} %"]
        for name in _SHARES
    ]
    rows += [[escape(name), f"{size:.2f} GiB"] for name, size in _peaks(trained).items()]
    advice = [warning(line["advice"]) for line in trained if line.get("advice")]
    note = (
        "Waiting, sending and computing are shares of the steps, evaluating and saving of all time."
    )
    return section(
        f"Time and memory of {name}" if name else "Time and memory",
        *advice,
        f'<div class="charts">{chart}{table(("", "mean, or peak"), rows)}</div>',
        note=note,
    )


def film_section(history: History, folder: Path, name: str = "", count: int = _FRAMES) -> str:
    """Return the painted samples of the evaluations, oldest first.

    Args:
        history: what was recorded.
        folder: run folder, for the pictures.
        name: of the run, where there are several.
        count: at most so many, spread over the run, the last among them.
    """
    painted = lines_of(history, "pictures")
    places = np.linspace(len(painted) - 1, 0, min(count, len(painted))).round().astype(int)[::-1]
    frames = []
    for line in (painted[place] for place in places):
        pixels = recorded_picture(folder, line, "samples")
        if pixels is not None:
            frames.append(picture(pixels, f"after {line['step']} steps"))
    if not frames:
        return ""
    title = f"What {name} saw" if name else "What it saw"
    return section(
        title, f'<div class="cases">{"".join(frames)}</div>' if frames[1:] else frames[0]
    )


def recorded_picture(folder: Path, line: dict[str, Any], name: str) -> np.ndarray | None:
    """Return a picture (H, W, 3) that a line names; None if it is gone, or not in the folder."""
    named = line.get("pictures")
    file = named.get(name) if isinstance(named, dict) else None
    if not isinstance(file, str):
        return None
    path = (folder / file).resolve()
    if not (path.is_relative_to(folder.resolve()) and path.is_file()):
        return None
    return cv2.imread(str(path))


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


def lines_of(history: History, kind: str) -> History:
    """Return the lines of ``train`` steps or ``val`` evaluations."""
    return [line for line in history if line["kind"] == kind]


def _curve_names(trained: Mapping[str, History]) -> list[str]:
    """Return the losses of all runs, then the other figures."""
    named = {
        name
        for lines in trained.values()
        for line in lines
        for name, value in line.items()
        if name not in _NOT_CURVES and isinstance(value, int | float)
    }
    losses = sorted(name for name in named if not name.startswith("_"))
    if len(losses) == 2:  # one named loss and its sum are the same line
        losses = ["loss"]
    return [*losses, *sorted(name for name in named if name.startswith("_"))]


def _peaks(trained: History) -> dict[str, float]:
    """Return the largest of each peak in GiB, by what it is of."""
    found: dict[str, float] = {}
    for line in trained:
        for key, name in _MEMORY.items():
            value = line.get(key)
            sizes = value if isinstance(value, list) else [value]
            for size in sizes:
                if isinstance(size, int | float):
                    found[name] = max(found.get(name, 0.0), float(size))
    return found


def _curves(title: str, runs: Mapping[str, History], key: str) -> str:
    """Return a chart with a line per run; '' where no run has two points."""
    series = []
    for name, lines in runs.items():
        known = [line for line in lines if isinstance(line.get(key), int | float)]
        steps = [line["step"] for line in known]
        series.append(Series(name or key, steps, [line[key] for line in known]))
    if max((len(one.x) for one in series), default=0) < 2:
        return ""
    return line_chart(title, series, x_label="optimiser steps")
