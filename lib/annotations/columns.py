"""Entries of a JSON file -> columns of numbers, each number checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lib.annotations.decisions import Decisions
from lib.utils.errors import DataError

Rows = list[dict[str, Any]]
PLAIN = {int, float}


def require_rows(rows: Any, key: str, path: str | Path) -> None:
    """Check that ``key`` of a file lists objects.

    Raises:
        DataError: it does not.
    """
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path}: '{key}' must be a list of entries, got {rows!r:.100}.")


def column(
    rows: Rows, key: str, dtype: Any, decisions: Decisions, default: int | None = None
) -> np.ndarray:
    """Return (N,) the finite numbers ``key`` of all rows, whole ones for an integer ``dtype``.

    Args:
        rows: N entries of a file.
        key: name of the number.
        dtype: of the column.
        decisions: of the file; numbers written as texts are read, and said.
        default: number of entries that lack the key or say null; None refuses them.

    Raises:
        DataError: an entry has no such number.
    """
    values = [row.get(key, default) for row in rows]
    whole = np.issubdtype(dtype, np.integer)
    if not set(map(type, values)) <= PLAIN:
        values = _plain(values, key, decisions, default)
    wanted = "a whole number" if whole else "a finite number"
    for i, value in enumerate(values):
        if not is_number(value) or (whole and value % 1):
            raise DataError(
                f"{decisions.path}: entry {i} needs {wanted} '{key}': {rows[i]!r:.200}."
            )
    try:
        return np.array(values, dtype)
    except OverflowError:
        most = max(values, key=abs)
        raise DataError(f"{decisions.path}: '{key}' {most} is too large for an entry's.") from None


def _plain(values: list[Any], key: str, decisions: Decisions, default: int | None) -> list[Any]:
    texts = [place for place, value in enumerate(values) if isinstance(value, str)]
    plain = [default if value is None else number_of(value) for value in values]
    if any(is_number(plain[place]) for place in texts):
        decisions.add(
            key, f"{len(texts)} numbers '{key}' are written as texts, and read as numbers"
        )
    return plain


def number_of(value: Any) -> Any:
    """Return the number that a text or a truth value stands for; anything else as it is."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return value
        return int(number) if number.is_integer() else number
    return value


def is_number(value: Any) -> bool:
    """Return whether ``value`` is a finite number."""
    try:
        return isinstance(value, (int, float)) and math.isfinite(value)
    except OverflowError:  # an integer beyond any float is finite
        return True


def array_of(values: Sequence[Any], width: int) -> np.ndarray | None:
    """Return (N, width) float64 if every value is a list of ``width`` plain numbers, else None."""
    if not len(values):
        return np.zeros((0, width))
    try:
        table = np.array(values)
    except ValueError:  # lists of different lengths
        return None
    if table.shape != (len(values), width) or table.dtype.kind not in "iuf":
        return None
    return table.astype(np.float64)


def flagged(labels: Sequence[Any], flags: Any) -> list[Any]:
    """Return the labels of the flagged rows."""
    return [labels[row] for row in np.flatnonzero(flags).tolist()]


def refuse_duplicates(ids: Sequence[Any] | np.ndarray, kind: str, path: str | Path) -> None:
    """Check that no id stands in a file twice.

    Raises:
        DataError: one does.
    """
    values, counts = np.unique(np.asarray(ids), return_counts=True)
    if (counts > 1).any():
        raise DataError(f"{path}: {kind} id {values[counts > 1][0]} occurs twice.")
