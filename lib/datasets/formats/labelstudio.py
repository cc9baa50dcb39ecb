"""Label Studio's JSON: tasks with regions in per cent of the picture.

A person is a rectangle; its joints are points whose ``parentID`` is the rectangle, or that a
relation joins to it, or that lie in it. The format has no visibility: a joint whose region carries
the text ``occluded`` (its meta information) is occluded.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from lib.datasets.formats.grouping import (
    Person,
    Point,
    entries_of,
    group_points,
    joint_order,
    written_id,
)
from lib.datasets.formats.labels import Entry, RawLabels, ReadSettings
from lib.datasets.formats.pictures import picture_folder, places_near
from lib.utils.errors import DataError
from lib.utils.files import read_json

OCCLUDED = "occluded"
KEPT = ("split", "sequence", "width", "height")
_PREFIX = re.compile(r"^[0-9a-f]{8}-")  # that uploads get


def read(path: Path, settings: ReadSettings) -> RawLabels:
    """Read an export ("JSON", not "JSON-MIN").

    Raises:
        DataError: a task or a region lacks what it must have.
    """
    tasks = read_json(path, "annotation", "check the path")
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise DataError(f"{path} must list tasks, as Label Studio's JSON does.")
    notes: dict[str, int] = {}
    images, found = [], []
    for place, task in enumerate(tasks):
        image = _image(task, place, path)
        regions = _regions(task, path, notes)
        image = _size(regions) | image
        images.append(image)
        found += [(image["id"], p) for p in _people(regions, f"{path}, task {place}", notes)]
    folder = _find_pictures(images, path, settings)
    names = joint_order(_names_in_order(found, path), settings.skeleton)
    labels = {name: n for n, name in enumerate(dict.fromkeys(p.label for _, p in found), 1)}
    ids = _category_ids(tasks, labels)
    content = {
        "images": images,
        "annotations": entries_of(found, names, ids),
        "categories": _categories(ids, names, tasks),
    }
    said = tuple(f"{count} {sentence}" for sentence, count in notes.items())
    return RawLabels("labelstudio", path, content, folder, said)


def _image(task: Entry, place: int, path: Path) -> Entry:
    data = task.get("data")
    if not isinstance(data, dict):
        raise DataError(f"{path}: task {place} has no 'data' that names its picture.")
    texts = [value for value in data.values() if isinstance(value, str)]
    address = next(
        (data[k] for k in ("image", "img", "picture") if isinstance(data.get(k), str)), ""
    )
    address = address or next((t for t in texts if "." in t), "")
    name = data.get("file_name") if isinstance(data.get("file_name"), str) else _name_of(address)
    if not name:
        raise DataError(f"{path}: 'data' of task {place} names no picture: {data!r:.100}.")
    image: Entry = {"id": data.get("image_id", task.get("id", place + 1)), "file_name": name}
    return image | {key: data[key] for key in KEPT if data.get(key)}


def _name_of(address: str) -> str:
    """Return the path of a picture from its address in Label Studio."""
    parts = urlsplit(address)
    local = parse_qs(parts.query).get("d")
    path = local[0] if local else unquote(parts.path)
    return path.lstrip("/") if local or not parts.scheme else PurePosixPath(path).name


def _regions(task: Entry, path: Path, notes: dict[str, int]) -> list[Entry]:
    """Return the regions of a task: those of its first annotation, else of its first prediction."""
    given = task.get("annotations") or task.get("completions") or []
    if not isinstance(given, list) or not all(isinstance(a, dict) for a in given):
        raise DataError(
            f"{path}: 'annotations' of task {task.get('id')} must be a list of entries."
        )
    whole = [a for a in given if not a.get("was_cancelled")]
    if len(whole) > 1:
        sentence = "tasks have several annotations: the first, or the ground truth, is taken"
        notes[sentence] = notes.get(sentence, 0) + 1
    chosen = next((a for a in whole if a.get("ground_truth")), whole[0] if whole else None)
    guesses = task.get("predictions")
    if chosen is None and isinstance(guesses, list) and guesses and isinstance(guesses[0], dict):
        chosen = guesses[0]
    regions = (chosen or {}).get("result") or []
    if not isinstance(regions, list) or not all(isinstance(region, dict) for region in regions):
        raise DataError(f"{path}: 'result' of task {task.get('id')} must be a list of regions.")
    return regions


def _size(regions: list[Entry]) -> Entry:
    for region in regions:
        size = [region.get("original_width"), region.get("original_height")]
        if all(isinstance(side, int) and side > 0 for side in size):
            return {"width": size[0], "height": size[1]}
    return {}


def _people(regions: list[Entry], where: str, notes: dict[str, int]) -> list[Person]:
    people, points = [], []
    for region in map(_plain_region, regions):
        kind, value = region.get("type"), region.get("value")
        if kind == "rectanglelabels":
            people.append(_person(region, value, where, notes))
        elif kind == "keypointlabels":
            points.append(_point(region, value, where))
    known = {person.id for person in people}
    owner = _owners(regions, known)
    for point, own in points:
        point.owner = point.owner if point.owner in known else owner.get(own)
    return group_points(people, [point for point, _ in points], where, notes)


def _owners(regions: list[Entry], people: set[Any]) -> dict[Any, Any]:
    """Return the person of each joint that a relation joins to one, in either direction."""
    owners = {}
    for region in regions:
        if region.get("type") == "relation":
            ends = _own_id(region.get("from_id")), _own_id(region.get("to_id"))
            for joint, person in (ends, ends[::-1]):
                if person is not None and person in people:
                    owners[joint] = person
    return owners


def _plain_region(region: Entry) -> Entry:
    """Return a region of the control "Labels" as one of "RectangleLabels" or "KeyPointLabels"."""
    value = region.get("value")
    if region.get("type") != "labels" or not isinstance(value, dict) or "x" not in value:
        return region
    kind = "rectanglelabels" if "height" in value else "keypointlabels"
    return {**region, "type": kind, "value": {**value, kind: value.get("labels")}}


def _own_id(value: Any) -> Any:
    """Return the id of a region, None for what is none."""
    return written_id(value) if isinstance(value, str | int) and value != "" else None


def _pixels(region: Entry, value: Any, keys: tuple[str, ...], where: str) -> list[float]:
    """Return numbers of a region in pixels.

    Raises:
        DataError: it lacks one, or says no size of the picture.
    """
    size = _size([region])
    if not size:
        raise DataError(f"{where}: region {region.get('id')} says no original_width and _height.")
    if region.get("image_rotation"):
        raise DataError(
            f"{where}: region {region.get('id')} is of a turned picture (image_rotation)."
        )
    numbers = [value.get(key) if isinstance(value, dict) else None for key in keys]
    if not all(isinstance(v, int | float) and abs(v) < 1e9 for v in numbers):
        raise DataError(
            f"{where}: 'value' of region {region.get('id')} must have the numbers "
            f"{', '.join(keys)}, got {value!r:.80}."
        )
    sides = (size["width"], size["height"])
    return [v * sides[n % 2] / 100 for n, v in enumerate(numbers) if v is not None]


def _label(value: Any, key: str, where: str) -> str:
    labels = value.get(key) if isinstance(value, dict) else None
    if not isinstance(labels, list) or not labels:
        raise DataError(f"{where}: a region has no label in '{key}': {value!r:.80}.")
    return str(labels[0])


def _person(region: Entry, value: Any, where: str, notes: dict[str, int]) -> Person:
    box = _pixels(region, value, ("x", "y", "width", "height"), where)
    if value.get("rotation"):
        sentence = "rectangles are turned: their joints count, the turn does not"
        notes[sentence] = notes.get(sentence, 0) + 1
    extras = {}
    for text in _texts(region):
        key, mark, number = text.partition("=")
        if mark and key in ("area", "iscrowd", "track_id"):
            extras[key] = float(number) if key == "area" else written_id(number)
    return Person(
        _own_id(region.get("id")), box, _label(value, "rectanglelabels", where), {}, extras
    )


def _point(region: Entry, value: Any, where: str) -> tuple[Point, Any]:
    x, y = _pixels(region, value, ("x", "y"), where)
    seen = 1 if OCCLUDED in _texts(region) else 2
    name = _label(value, "keypointlabels", where)
    return Point(name, x, y, seen, _own_id(region.get("parentID"))), _own_id(region.get("id"))


def _texts(region: Entry) -> list[str]:
    meta = region.get("meta")
    texts = meta.get("text") if isinstance(meta, dict) else None
    return [str(text) for text in (texts if isinstance(texts, list) else [texts]) if text]


def _find_pictures(images: list[Entry], path: Path, settings: ReadSettings) -> Path:
    """Return the folder of the pictures; names lose the prefix of uploads if it has to go."""
    names = [image["file_name"] for image in images]
    plain = [_PREFIX.sub("", PurePosixPath(name).name) for name in names]
    tries = (names, [PurePosixPath(name).name for name in names], plain)
    for tried in tries:
        try:
            folder = picture_folder(tried, settings.images, places_near(path), path)
        except DataError:
            continue
        if tried and (folder / tried[0]).is_file():
            for image, name in zip(images, tried, strict=True):
                image["file_name"] = name
            return folder
    return picture_folder(names, settings.images, places_near(path), path)


def _names_in_order(found: list[tuple[Any, Person]], path: Path) -> list[str]:
    """Return the joints in the order of the labelling interface beside the file, else as found."""
    seen = dict.fromkeys(name for _, person in found for name in person.joints)
    config = path.with_name(f"{path.stem}_config.xml")
    known = _config_labels(config) if config.is_file() else []
    return [*known, *(name for name in seen if name not in known)]


def _config_labels(file: Path) -> list[str]:
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(file.read_bytes())
    except ElementTree.ParseError as error:
        raise DataError(f"{file} is not XML: {error}.") from None
    found = [e.get("value", "") for e in root.iterfind(".//KeyPointLabels/Label")]
    return list(dict.fromkeys(found))


def _category_ids(tasks: list[Entry], labels: dict[str, int]) -> dict[str, Any]:
    """Return ids by category name, as `write` keeps them in the first task's data."""
    kept = tasks[0].get("data", {}).get("categories") if tasks else None
    names = {c.get("name"): c.get("id") for c in kept or () if isinstance(c, dict)}
    return {name: names.get(name, n) for name, n in (labels or {"person": 1}).items()}


def _categories(ids: dict[str, Any], names: tuple[str, ...], tasks: list[Entry]) -> list[Entry]:
    kept = tasks[0].get("data", {}).get("categories") if tasks else None
    more = next(
        (c for c in kept or () if isinstance(c, dict) and c.get("keypoints") == list(names)), {}
    )
    extra = {key: more[key] for key in ("skeleton", "sigmas", "flip_pairs") if key in more}
    return [
        {"id": own, "name": name, "keypoints": list(names), **extra} for name, own in ids.items()
    ]
