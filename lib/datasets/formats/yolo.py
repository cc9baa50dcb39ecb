"""YOLO-pose folders: ``data.yaml``, pictures, and a text file per picture.

A line is ``class x y width height`` and ``x y`` or ``x y v`` per joint, as shares of the picture's
width and height; x, y of the box are its centre. Labels of ``images/a.jpg`` are in
``labels/a.txt``. The format has no ids, areas and crowds: written folders keep them in
``ids.json``, which other tools pass over.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lib.datasets.formats.labels import Entry, RawLabels, ReadSettings
from lib.datasets.formats.yolo_yaml import BOX, Description, describe, label_file, read_lines
from lib.utils.errors import DataError
from lib.utils.files import read_json
from lib.utils.image_size import image_size

IDS = "ids.json"
MOST_SHARE = 2.0  # of a picture's side: what lies farther outside are pixels


def read(path: Path, settings: ReadSettings) -> RawLabels:
    """Read a data set by its folder or its ``data.yaml``.

    Raises:
        DataError: a folder is not there, a line is no person, or joints are of another number.
    """
    described = describe(path)
    if not described.pictures:
        raise DataError(f"{path}: no pictures in the folders that it names.")
    kept = _kept_ids(described.root)
    images, rows, notes = [], [], _unlabelled(described, path)
    for number, (picture, split) in enumerate(described.pictures):
        name = Path(os.path.relpath(picture, described.root)).as_posix()
        known = kept["images"].get(name, {})
        width, height = image_size(picture)
        images.append({"id": known.get("id", number + 1), "file_name": name})
        images[-1] |= {"width": width, "height": height, "split": split}
        lines = list(_lines(label_file(picture), described))
        own = known.get("people", [])
        extras = own if len(own) == len(lines) else [{}] * len(lines)
        for (label, numbers), extra in zip(lines, extras, strict=True):
            row = {"id": len(rows) + 1, "image_id": images[-1]["id"], "category_id": label + 1}
            rows.append(row | _person(numbers, described, (width, height)) | extra)
    _make_ids_differ(rows)
    if described.width == 2 and described.joints:
        notes.append(
            "its joints have no visibility (kpt_shape [K, 2]): those at 0, 0 are unlabelled"
        )
    content = {"images": images, "annotations": rows, "categories": _categories(described, kept)}
    return RawLabels("yolo", path, content, described.root, tuple(notes))


def _lines(file: Path, described: Description) -> Iterator[tuple[int, np.ndarray]]:
    """Yield class and numbers of every line of a label file; a picture without one has nobody."""
    if not file.is_file():
        return
    wanted = BOX + described.joints * described.width
    for number, line in enumerate(read_lines(file), 1):
        words = line.split()
        if not words:
            continue
        try:
            values = np.array([float(word) for word in words])
        except ValueError:
            raise DataError(f"{file}, line {number}: {line!r:.60} is not all numbers.") from None
        if len(words) not in (wanted, BOX):
            raise DataError(
                f"{file}, line {number}: {len(words)} numbers, wanted {wanted}: class, box, and "
                f"{described.width} for each of {described.joints} joints ('kpt_shape')."
            )
        if not np.isfinite(values).all() or values[0] % 1 or values[0] < 0:
            raise DataError(
                f"{file}, line {number}: {line!r:.60} must be a class and finite numbers."
            )
        if (np.abs(_places(values, described)) > MOST_SHARE).any():
            raise DataError(
                f"{file}, line {number}: {line!r:.60} has places beyond {MOST_SHARE:g}: boxes and "
                "joints are shares of the picture's width and height, from 0 to 1."
            )
        if int(values[0]) not in described.classes:
            raise DataError(
                f"{file}, line {number}: class {int(values[0])} is none of 'names': "
                f"{', '.join(map(str, described.classes))}."
            )
        yield int(values[0]), values[1:]


def _places(values: np.ndarray, described: Description) -> np.ndarray:
    """Return the numbers of a line that are shares: its box, x and y of its joints."""
    joints = values[BOX:].reshape(-1, described.width)[:, :2]
    return np.concatenate([values[1:BOX], joints.ravel()])


def _unlabelled(described: Description, path: Path) -> list[str]:
    """Return a note of pictures without a label file, on which nobody is.

    Raises:
        DataError: no picture has one.
    """
    pictures = [picture for picture, _ in described.pictures]
    lacking = [picture for picture in pictures if not label_file(picture).is_file()]
    if len(lacking) == len(pictures):
        raise DataError(
            f"{path}: none of its {len(pictures)} pictures has a label file; that of {lacking[0]} "
            f"would be {label_file(lacking[0])}."
        )
    count = f"{len(lacking)} of {len(pictures)} pictures have no label file: nobody is on them"
    return [f"{count} ({lacking[0].name}, ...)"] if lacking else []


def _person(numbers: np.ndarray, described: Description, size: tuple[int, int]) -> Entry:
    scale = np.array(size, np.float64)
    centre, sides = numbers[:2] * scale, numbers[2:4] * scale
    joints = np.zeros((described.joints, 3))
    given = numbers[4:].reshape(-1, described.width)
    if len(given):
        joints[:, :2] = given[:, :2] * scale
        labelled = (given[:, :2] >= 0).all(axis=1) & given[:, :2].any(axis=1)
        joints[:, 2] = given[:, 2] if described.width == 3 else 2 * labelled
        joints[(given[:, :2] < 0).all(axis=1)] = 0
    return {
        "bbox": [*(centre - sides / 2).tolist(), *sides.tolist()],
        "keypoints": joints.ravel().tolist(),
        "iscrowd": 0,
    }


def _categories(described: Description, kept: dict[str, Any]) -> list[Entry]:
    ids = kept["categories"]
    entries: list[Entry] = []
    for number, name in described.classes.items():
        entry = {"id": ids.get(str(number), number + 1), "name": name, "keypoints": described.names}
        if described.flips:
            pairs = [(a, b) for a, b in enumerate(described.flips) if a < b]
            entry["flip_pairs"] = [[described.names[a], described.names[b]] for a, b in pairs]
        limbs = kept["limbs"]
        entries.append(entry | {"skeleton": limbs, **kept["spreads"]})
    return entries


def _kept_ids(root: Path) -> dict[str, Any]:
    """Return what a folder of ours keeps beside what YOLO can say."""
    empty = {"images": {}, "categories": {}, "limbs": [], "spreads": {}}
    file = root / IDS
    content = read_json(file) if file.is_file() else {}
    return {**empty, **content} if isinstance(content, dict) else empty


def _make_ids_differ(rows: list[Entry]) -> None:
    """Number all annotations from 1 where lines were added to a folder of ours, in place."""
    if len({str(row["id"]) for row in rows}) < len(rows):
        for number, row in enumerate(rows, 1):
            row["id"] = number
