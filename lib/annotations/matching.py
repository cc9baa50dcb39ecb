"""One rule for which picture a box, a result or a file name belongs to.

A key is tried as the picture's id, its name, its name without ending, and its path, in that
order; the first that fits decides. A key that fits several pictures at the same step is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from lib.annotations.ids import lookup
from lib.annotations.tables import ImageTable
from lib.utils.errors import DataError

logger = logging.getLogger(__name__)

SHOWN = 3  # examples in a message


class PictureKeys:
    """Finds pictures by whatever a file calls them.

    Args:
        ids: id -> number of a picture.
        names: of all pictures, folders included, as far as they tell pictures apart.
    """

    def __init__(self, ids: dict[Any, int], names: Sequence[str]) -> None:
        self.names = [name.replace("\\", "/") for name in names]
        paths = [PurePosixPath(name) for name in self.names]
        # Later steps are only built when a key needs them: ids find all of most files.
        self._steps: list[Callable[[], dict[Hashable, list[int]]]] = [
            lambda: {key: [row] for key, row in ids.items()},
            lambda: _group(self.names),
            lambda: _group(str(path.with_suffix("")) for path in paths),
            lambda: _numbers(paths),
        ]
        self._tables: list[dict[Hashable, list[int]]] = []
        self._parts = [path.parts for path in paths]
        self._by_end: dict[str, list[int]] | None = None

    @classmethod
    def of(cls, images: ImageTable) -> PictureKeys:
        """Return the keys of a data set's images."""
        return cls(lookup(images.ids, images.own), [name.decode() for name in images.files])

    def find(self, key: Any) -> int | None:
        """Return the number of the picture that ``key`` names, None if there is none.

        Raises:
            DataError: it names several.
        """
        if isinstance(key, float) and key.is_integer():
            key = int(key)
        if not isinstance(key, int | str):
            return None
        plain = key.replace("\\", "/").removeprefix("./") if isinstance(key, str) else key
        for step in range(len(self._steps)):
            if step == len(self._tables):
                self._tables.append(self._steps[step]())
            found = self._tables[step].get(plain)
            if found:
                return self._only(found, key)
        return self._by_path(plain, key) if isinstance(plain, str) else None

    def _only(self, found: list[int], key: Any) -> int:
        if len(found) > 1:
            several = ", ".join(self.names[row] for row in found[:SHOWN])
            raise DataError(
                f"'{key}' may be {several}: write the names with their folders and endings."
            )
        return found[0]

    def _by_path(self, key: str, written: Any) -> int | None:
        """Return the picture whose path ends like ``key``, or that ``key``, a path, ends like."""
        if self._by_end is None:
            self._by_end = {}
            for row, parts in enumerate(self._parts):
                for end in {parts[-1], PurePosixPath(parts[-1]).stem} if parts else ():
                    self._by_end.setdefault(end, []).append(row)
        parts = PurePosixPath(key).parts
        if not parts:
            return None
        rows = [row for row in self._by_end.get(parts[-1], ()) if self._ends_alike(row, parts)]
        return self._only(rows, written) if rows else None

    def _ends_alike(self, row: int, parts: tuple[str, ...]) -> bool:
        own = self._parts[row]
        shared = min(len(own), len(parts))
        return own[-shared:-1] == parts[-shared:-1]


def match_pictures(keys: Sequence[Any], pictures: PictureKeys, file: str, where: str) -> np.ndarray:
    """Return (N,) int32 numbers of the pictures that ``keys`` name, -1 for none.

    Those that name none are counted in a warning.

    Args:
        keys: N ids or names.
        pictures: the pictures.
        file: that the keys are from, for messages.
        where: what the pictures are, for messages.

    Raises:
        DataError: a key names several pictures, or there are keys and none names any.
    """
    places: dict[Any, int | None] = {}
    for key in keys:
        if key not in places:
            places[key] = pictures.find(key)
    lost = [key for key, place in places.items() if place is None]
    if places and len(lost) == len(places):
        known = ", ".join(pictures.names[:SHOWN]) or "no picture"
        raise DataError(
            f"{file}: none of its {len(places)} pictures ({_examples(lost)}) is in {where} "
            f"({known}); "
            "they are matched by id, name, name without ending, and path: do they belong together?"
        )
    if lost:
        count = sum(key in set(lost) for key in keys)
        logger.warning(
            "%s: %d rows of %d pictures that are not in %s are left out (%s)",
            file,
            count,
            len(lost),
            where,
            _examples(lost),
        )
    return np.array([-1 if places[key] is None else places[key] for key in keys], np.int32)


def _examples(keys: Sequence[Any]) -> str:
    return ", ".join(map(str, keys[:SHOWN])) + (", ..." if len(keys) > SHOWN else "")


def _group(names: Iterable[str]) -> dict[Hashable, list[int]]:
    table: dict[Hashable, list[int]] = {}
    for row, name in enumerate(names):
        table.setdefault(name, []).append(row)
    return table


def _numbers(paths: Sequence[PurePosixPath]) -> dict[Hashable, list[int]]:
    """Return pictures by the number that their name is: COCO's way of naming."""
    table: dict[Hashable, list[int]] = {}
    for row, path in enumerate(paths):
        if path.stem.isdecimal():
            table.setdefault(int(path.stem), []).append(row)
    return table
