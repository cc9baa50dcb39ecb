"""``images`` of a file -> a table of names and sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lib.annotations.columns import Rows, column
from lib.annotations.decisions import Decisions
from lib.annotations.ids import lookup, read_ids
from lib.annotations.tables import ImageTable
from lib.utils.errors import DataError, UnreadableImageError
from lib.utils.image_size import image_size


def read_image_table(
    rows: Rows, folder: str, decisions: Decisions, *, pictures: bool = True
) -> ImageTable:
    """Return the images of a file.

    Args:
        rows: its ``images``.
        folder: what stands before file names, with its separator.
        decisions: of the file.
        pictures: names and sizes are needed; scoring alone does without.

    Raises:
        DataError: an id twice, no name, a width or height that is not above 0.
    """
    ids, own = read_ids(rows, "image", decisions)
    names = [_file_name(row, decisions, pictures) for row in rows]
    if any("\\" in name for name in names):
        names = _with_slashes(names, folder, decisions)
    unsized = [n for n, row in enumerate(rows) if None in (row.get("width"), row.get("height"))]
    if unsized and not pictures:
        sizes = np.zeros((len(rows), 2), np.int32)
    else:
        if unsized:
            rows = _with_sizes(rows, names, unsized, folder, decisions)
        columns = [column(rows, key, np.int32, decisions) for key in ("width", "height")]
        sizes = np.stack(columns, axis=1).reshape(-1, 2)
        _check_sizes(rows, sizes, decisions)
    return ImageTable(folder, np.array([n.encode() for n in names], np.bytes_), ids, sizes, own)


def image_rows(rows: Rows, images: ImageTable, decisions: Decisions) -> np.ndarray:
    """Return (N,) int32, the row of ``images`` that each annotation is of.

    Raises:
        DataError: an annotation is of no listed image.
    """
    place = lookup(images.ids, images.own)
    wanted = [row.get("image_id") for row in rows]
    try:
        found = [place.get(value) for value in wanted]
    except TypeError:  # a list or a dictionary
        found = [
            place.get(value) if isinstance(value, int | str | float) else None for value in wanted
        ]
    for row, value, index in zip(rows, wanted, found, strict=True):
        if index is None:
            raise DataError(
                f"{decisions.path}: annotation {row.get('id')} is of image {value!r:.60}, not "
                "listed "
                "in 'images'."
            )
    if any(isinstance(value, str) for value in wanted) and images.own is None:
        decisions.add(
            "image_id",
            f"{len(wanted)} 'image_id' are texts, and read as the numbers that images have",
        )
    return np.array(found, np.int32)


def _file_name(row: dict[str, Any], decisions: Decisions, needed: bool) -> str:
    name = row.get("file_name")
    if not isinstance(name, str) or not name.strip():
        if not needed and name is None and isinstance(row["id"], int):
            return f"{row['id']:012d}.jpg"  # as COCO names its pictures
        raise DataError(
            f"{decisions.path}: 'file_name' of image {row['id']} must be a name, got {name!r:.60}."
        )
    return name


def _with_slashes(names: list[str], folder: str, decisions: Decisions) -> list[str]:
    """Return names with ``/`` for Windows' backslash, unless pictures have it in their names."""
    odd = [name for name in names if "\\" in name]
    if Path(folder + odd[0]).is_file():
        return names
    decisions.add("file_name", "{n} 'file_name' have backslashes, and are read as folders", odd)
    return [name.replace("\\", "/") for name in names]


def _with_sizes(
    rows: Rows, names: list[str], unsized: list[int], folder: str, decisions: Decisions
) -> Rows:
    """Return the entries with the sizes of their pictures where they say none.

    Raises:
        DataError: a picture is not there, so that nothing tells its size.
    """
    rows = list(rows)
    for n in unsized:
        try:
            width, height = image_size(folder + names[n])
        except UnreadableImageError as error:
            raise DataError(
                f"{decisions.path}: image {rows[n]['id']} has no 'width' and 'height', and its "
                f"pixels do not tell them either: {error}"
            ) from None
        rows[n] = {**rows[n], "width": width, "height": height}
    decisions.add(
        "width",
        "{n} images say no 'width' and 'height': they are those of the pictures",
        [rows[n]["id"] for n in unsized],
    )
    return rows


def _check_sizes(rows: Rows, sizes: np.ndarray, decisions: Decisions) -> None:
    empty = (sizes <= 0).any(axis=1)
    if empty.any():
        row = rows[int(empty.argmax())]
        raise DataError(
            f"{decisions.path}: 'width' and 'height' of image {row['id']} must be above 0, got "
            f"{row['width']} and {row['height']}."
        )
