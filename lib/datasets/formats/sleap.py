"""SLEAP's exports: the analysis CSV (a line per person and frame), and labels as JSON.

Both name frames of a video, not pictures: pictures are those of ``--images`` whose name ends with
the frame's number, in the order of their numbers.
"""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path
from typing import Any

from lib.datasets.formats.grouping import Person, Point, entries_of, joint_order
from lib.datasets.formats.labels import Entry, RawLabels, ReadSettings
from lib.datasets.formats.pictures import list_pictures
from lib.utils.errors import DataError
from lib.utils.files import read_json

Frame = tuple[str, int]  # video and number


def read(path: Path, settings: ReadSettings) -> RawLabels:
    """Read a table (``.csv``) or labels (``.json``).

    Raises:
        DataError: a column or key is missing, or a frame has no picture.
    """
    if path.suffix.lower() == ".csv":
        found, names = _of_table(path)
    else:
        found, names = _of_json(read_json(path, "annotation", "check the path"), path)
    folder = Path(settings.images) if settings.images else path.parent
    frames = list(dict.fromkeys(frame for frame, _ in found))
    pictures = _pictures(folder, frames, path)
    ids = {frame: n for n, frame in enumerate(frames, 1)}
    images: list[Entry] = [
        {"id": ids[frame], "file_name": pictures[frame]}
        | ({"sequence": frame[0]} if frame[0] else {})
        for frame in frames
    ]
    order = joint_order(names, settings.skeleton)
    content = {
        "images": images,
        "annotations": entries_of([(ids[f], p) for f, p in found], order, {"person": 1}),
        "categories": [{"id": 1, "name": "person", "keypoints": list(order)}],
    }
    return RawLabels("sleap", path, content, folder)


def _of_table(path: Path) -> tuple[list[tuple[Frame, Person]], list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            lines, heads = list(reader), list(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table: {error}.") from None
    names = [head[:-2] for head in heads if head.endswith(".x") and f"{head[:-2]}.y" in heads]
    if "frame_idx" not in heads or not names:
        raise DataError(f"{path} needs a column 'frame_idx' and columns NODE.x and NODE.y.")
    found = []
    for number, line in enumerate(lines, 2):
        where = f"{path}, line {number}"
        person = Person()
        for name in names:
            x, y = (_number(line.get(f"{name}.{axis}"), where) for axis in "xy")
            if math.isfinite(x) and math.isfinite(y):
                person.joints[name] = Point(name, x, y)
        if line.get("track"):
            person.extras["track_id"] = line["track"]
        frame = _number(line.get("frame_idx"), where)
        if not math.isfinite(frame) or frame % 1:
            raise DataError(
                f"{where}: 'frame_idx' must be a whole number: {line.get('frame_idx')!r}."
            )
        found.append(((line.get("video") or "", int(frame)), person))
    return found, names


def _number(text: str | None, where: str) -> float:
    if text is None or not text.strip():
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{where}: {text!r:.40} is no number.") from None


def _of_json(content: Any, path: Path) -> tuple[list[tuple[Frame, Person]], list[str]]:
    """Read SLEAP's ``labels.json``: nodes, and instances of points by node."""
    try:
        names = [str(node["name"]) for node in content["nodes"]]
        found = []
        for frame in content["labels"]:
            key = (str(frame.get("video", "")), int(frame["frame_idx"]))
            for instance in frame["_instances"]:
                person = Person()
                for node, point in instance["_points"].items():
                    x, y = float(point["x"]), float(point["y"])
                    if math.isfinite(x) and math.isfinite(y):
                        seen = 2 if point.get("visible", True) else 1
                        person.joints[names[int(node)]] = Point(names[int(node)], x, y, seen)
                if instance.get("track") is not None:
                    person.extras["track_id"] = str(instance["track"])
                found.append((key, person))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise DataError(
            f"{path} is not as SLEAP writes labels ({type(error).__name__}: {error}): export "
            "Analysis CSV instead."
        ) from None
    return found, names


def _pictures(folder: Path, frames: list[Frame], path: Path) -> dict[Frame, str]:
    """Return the picture of every frame, by the number at the end of its name.

    Raises:
        DataError: a frame has none, or several.
    """
    by_number: dict[int, list[Path]] = {}
    for picture in list_pictures(folder):
        number = re.search(r"(\d+)\D*$", picture.stem)
        if number:
            by_number.setdefault(int(number[1]), []).append(picture)
    pictures = {}
    for video, number in frames:
        near = by_number.get(number, [])
        stem = Path(video).stem
        chosen = [p for p in near if stem and stem in p.relative_to(folder).as_posix()] or near
        if len(chosen) != 1:
            raise DataError(
                f"{path}: frame {number} of {video or 'the video'} has {len(chosen)} pictures in "
                f"{folder}; extract frames with their numbers at the end of the names (--images)."
            )
        pictures[(video, number)] = chosen[0].relative_to(folder).as_posix()
    return pictures
