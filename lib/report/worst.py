"""The training samples that lost most: those of the last epoch, and those that keep coming back."""

from __future__ import annotations

from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

from lib.report.history import History, lines_of, recorded_picture
from lib.report.page import picture, section, table
from lib.utils.numbers import number

_OFTEN = 10  # samples in the second table


def worst_section(history: History, folder: Path, name: str = "") -> str:
    """Return the worst samples of the last epoch as drawn, and who was among them how often.

    Args:
        history: lines of metrics.jsonl.
        folder: run folder, for the pictures.
        name: of the run, where there are several.
    """
    epochs = lines_of(history, "worst")
    if not epochs:
        return ""
    last = epochs[-1]
    rows = [
        [f"{place}", number(loss, 4), escape(key), escape(short_name(sample))]
        for place, (loss, key, sample) in enumerate(_samples(last), start=1)
    ]
    parts = [table(("", "loss", "epoch:index", "sample"), rows)]
    pixels = recorded_picture(folder, last, "worst")
    if pixels is not None:
        parts.insert(0, picture(pixels, f"epoch {last['epoch']}: the views that were drawn"))
    times = Counter(sample for line in epochs for sample in {one[2] for one in _samples(line)})
    again = [(one, count) for one, count in times.most_common(_OFTEN) if count > 1]
    if again:
        counted = [
            [escape(short_name(sample)), f"{count} of {len(epochs)}"] for sample, count in again
        ]
        parts += ["<h3>Often among the worst</h3>", table(("sample", "epochs"), counted)]
    return section(
        f"Worst training samples of {name}" if name else "Worst training samples",
        *parts,
        note="Highest losses of single samples: wrong labels, damaged pictures, and what is hard.",
    )


def short_name(sample: str) -> str:
    """Return what a sample is called without the folders of its file."""
    return sample.replace("\\", "/").rpartition("/")[2]


def _samples(line: dict[str, Any]) -> list[tuple[Any, str, str]]:
    """Return loss, key and name of the samples of a line."""
    columns = [line.get(part) for part in ("loss", "key", "name")]
    if not all(isinstance(column, list) for column in columns):
        return []  # damaged
    return [
        (loss if isinstance(loss, int | float) else None, str(key), str(name))
        for loss, key, name in zip(*columns, strict=False)
    ]
