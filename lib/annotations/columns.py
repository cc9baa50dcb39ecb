"""Entries of a JSON file -> columns of numbers, each number checked."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from lib.utils.errors import DataError


def require_rows(rows: Any, key: str, path: str | Path) -> None:
    """Check that ``key`` of a file lists objects.

    Raises:
        DataError: it does not.
    """
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path}: '{key}' must be a list of entries, got {rows!r:.100}.")


def column(
    rows: list[dict[str, Any]], key: str, dtype: Any, path: str | Path, default: int | None = None
) -> np.ndarray:
    """Return (N,) the finite numbers ``key`` of all rows, whole ones for an integer ``dtype``.

    Args:
        rows: N entries of a file.
        key: name of the number.
        dtype: of the column.
        path: the file, for messages.
        default: number of entries that lack the key; None refuses them.

    Raises:
        DataError: an entry has no such number.
    """
    numbers = [row.get(key, default) for row in rows]
    wanted = "a whole number" if np.issubdtype(dtype, np.integer) else "a finite number"
    for i, number in enumerate(numbers):
        if not is_number(number) or (wanted == "a whole number" and number % 1):
            raise DataError(f"{path}: entry {i} needs {wanted} '{key}': {rows[i]!r:.200}.")
    try:
        return np.array(numbers, dtype)
    except OverflowError:
        most = max(numbers, key=abs)
        raise DataError(f"{path}: '{key}' {most} is too large for an entry's.") from None


def is_number(value: Any) -> bool:
    """Return whether ``value`` is a finite number."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def refuse_duplicates(ids: np.ndarray, kind: str, path: str | Path) -> None:
    """Check that no id stands in a file twice.

    Raises:
        DataError: one does.
    """
    values, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise DataError(f"{path}: {kind} id {values[counts > 1][0]} stands there twice.")
