"""Ids as files write them: whole numbers, or texts, which results must give back unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lib.annotations.columns import Rows, refuse_duplicates
from lib.annotations.decisions import Decisions
from lib.utils.errors import DataError

LARGEST = 2**63 - 1


def read_ids(
    rows: Rows, kind: str, decisions: Decisions, *, may_lack: bool = False
) -> tuple[np.ndarray, tuple[Any, ...] | None]:
    """Return the numbers that stand for ids here, and the ids as written where those are others.

    Args:
        rows: N entries with an ``id``.
        kind: what they are, for messages (``image``).
        decisions: of the file.
        may_lack: entries without any id are numbered from 1; else they are refused.

    Returns:
        (N,) int64, all different; and None if the file's own ids are those numbers, else N ids.

    Raises:
        DataError: an id is missing, is neither a whole number nor a text, or occurs twice.
    """
    ids = [row.get("id") for row in rows]
    if may_lack and rows and all(value is None for value in ids):
        decisions.add("id", f"no {kind} has an id: they are numbered from 1")
        return np.arange(1, len(rows) + 1), None
    kinds = set(map(type, ids))
    if kinds <= {int}:
        numbers = whole_numbers(ids, decisions)
        refuse_duplicates(numbers, kind, decisions.path)
        return numbers, None
    own = tuple(
        _own_id(value, row, place, decisions)
        for place, (value, row) in enumerate(zip(ids, rows, strict=True))
    )
    if str not in set(map(type, own)):
        numbers = whole_numbers(own, decisions)
        refuse_duplicates(numbers, kind, decisions.path)
        return numbers, None
    refuse_duplicates([str(value) for value in own], kind, decisions.path)
    decisions.add("id", f"{{n}} {kind} ids are texts; results keep them", own, usual=True)
    return np.arange(1, len(rows) + 1), own


def whole_numbers(values: Sequence[Any], decisions: Decisions) -> np.ndarray:
    """Return (N,) int64.

    Raises:
        DataError: one does not fit.
    """
    most = max(values, key=abs, default=0)
    if abs(most) > LARGEST:
        raise DataError(f"{decisions.path}: 'id' {most} is too large for an entry's.")
    return np.array(values, np.int64)


def _own_id(value: Any, row: dict[str, Any], place: int, decisions: Decisions) -> int | str:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int | str) and not isinstance(value, bool) and value != "":
        return value
    raise DataError(
        f"{decisions.path}: entry {place} needs a whole number 'id' or a text: {row!r:.200}."
    )


def lookup(numbers: np.ndarray, own: tuple[Any, ...] | None) -> dict[Any, int]:
    """Return the row of each id, under the id as written and under its text.

    So a reference ``"7"`` finds the image 7, and 7 the image ``"7"``.
    """
    written = numbers.tolist() if own is None else own
    table: dict[Any, int] = {str(value): row for row, value in enumerate(written)}
    for row, value in enumerate(written):
        table[value] = row
        if isinstance(value, str) and value.isdecimal() and str(int(value)) == value:
            table.setdefault(int(value), row)
    return table
