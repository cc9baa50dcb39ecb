"""DeepLabCut's CSV: ``CollectedData_*.csv`` of labelled frames, of one animal or of several.

Head lines are ``scorer``, perhaps ``individuals``, ``bodyparts`` and ``coords``; then a line per
frame. Empty cells are not labelled. A folder is a project: all its files, a video each.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from lib.datasets.formats.grouping import Person, Point, entries_of, joint_order
from lib.datasets.formats.labels import Entry, RawLabels, ReadSettings
from lib.datasets.formats.pictures import picture_folder
from lib.utils.errors import DataError

HEADS = ("scorer", "individuals", "bodyparts", "coords")
SINGLE = "single"  # the individual of parts that nobody in particular has
COORDS = {"x", "y", "likelihood"}


@dataclass(frozen=True)
class _Column:
    """What a column of numbers is about."""

    place: int
    individual: str
    part: str
    coord: str


def read(path: Path, settings: ReadSettings) -> RawLabels:
    """Read a table, or all those of a project's folder.

    Raises:
        DataError: a head line is missing, or a cell is no number.
    """
    files = sorted(path.rglob("CollectedData*.csv")) if path.is_dir() else [path]
    images: list[Entry] = []
    found: list[tuple[int, Person]] = []
    parts: dict[str, None] = {}
    folders = []
    for file in files:
        names, people, columns = _read_table(file, len(images))
        parts |= dict.fromkeys(column.part for column in columns)
        near = (file.parent, *file.parents)
        folders.append(picture_folder(names, settings.images, near, file).resolve())
        images += [_image(n, name, file, len(images)) for n, name in enumerate(names)]
        found += people
    if len(set(folders)) > 1:
        raise DataError(
            f"The pictures of {path} are in different folders; convert each file alone."
        )
    order = joint_order(list(parts), settings.skeleton)
    content = {
        "images": images,
        "annotations": entries_of(found, order, {"person": 1}),
        "categories": [{"id": 1, "name": "person", "keypoints": list(order)}],
    }
    return RawLabels("deeplabcut", path, content, folders[0])


def _image(place: int, name: str, file: Path, before: int) -> Entry:
    folder = name.rpartition("/")[0] or file.parent.name
    return {"id": before + place + 1, "file_name": name, "sequence": folder}


def _read_table(
    file: Path, before: int
) -> tuple[list[str], list[tuple[int, Person]], list[_Column]]:
    """Return names of pictures, people with the numbers of their images, and columns."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            lines = [line for line in csv.reader(opened) if any(line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read as a table: {error}.") from None
    heads = {line[0]: line for line in lines[:4] if line[0] in HEADS}
    for head in ("scorer", "bodyparts", "coords"):
        if head not in heads:
            raise DataError(f"{file} lacks the head line '{head}' of DeepLabCut's tables.")
    columns = _columns(heads, file)
    first = min(column.place for column in columns)
    names, people = [], []
    for number, line in enumerate(lines[len(heads) :], len(heads) + 1):
        names.append("/".join(part.replace("\\", "/") for part in line[:first] if part))
        found = _people(line, columns, f"{file}, line {number}")
        people += [(before + len(names), person) for person in found]
    return names, people, columns


def _columns(heads: dict[str, list[str]], file: Path) -> list[_Column]:
    coords, parts = heads["coords"], heads["bodyparts"]
    people = heads.get("individuals")
    columns = [
        _Column(n, people[n] if people and n < len(people) else SINGLE, parts[n], coords[n])
        for n in range(1, len(coords))
        if coords[n] in COORDS and n < len(parts)
    ]
    if not any(column.coord == "x" for column in columns):
        raise DataError(f"{file}: no column is 'x' in the line 'coords'.")
    return columns


def _people(line: list[str], columns: list[_Column], where: str) -> list[Person]:
    cells: dict[tuple[str, str], dict[str, float]] = {}
    for column in columns:
        text = line[column.place].strip() if column.place < len(line) else ""
        if text and text.lower() != "nan":
            try:
                number = float(text)
            except ValueError:
                raise DataError(f"{where}: {text!r:.40} is not a number ({column.part}).") from None
            cells.setdefault((column.individual, column.part), {})[column.coord] = number
    people: dict[str, Person] = {}
    for (individual, part), values in cells.items():
        if {"x", "y"} <= values.keys():
            person = people.setdefault(individual, Person())
            person.joints[part] = Point(part, values["x"], values["y"])
            if individual != SINGLE:
                person.extras["track_id"] = individual
    return list(people.values())
