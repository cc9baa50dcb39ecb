"""CVAT's own XML 1.1, for images and for video.

A person is a ``skeleton`` with ``points`` for its joints, or points that share a ``group_id``; a
``box`` of the same group is the person's box. ``outside`` is not labelled, ``occluded`` COCO's 1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

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
from lib.utils.images import IMAGE_ENDINGS

FILE = "annotations.xml"
BOX_LABEL = " box"  # behind a category's name: CVAT's skeleton labels cannot be boxes
NUMBERS = ("area",)
EXTRAS = ("area", "iscrowd", "track_id")


def read(path: Path, settings: ReadSettings) -> RawLabels:
    """Read an export ("CVAT for images 1.1", "CVAT for video 1.1"), or a folder that holds it.

    Raises:
        DataError: it is no such XML, or a shape lacks what it must have.
    """
    file = path / FILE if path.is_dir() else path
    root = _parse(file)
    notes: dict[str, int] = {}
    images = [_image(e, place, file) for place, e in enumerate(root.iterfind("image"))]
    shapes = [list(element) for element in root.iterfind("image")]
    if not images:
        images, shapes = _frames(root, file)
    joints = _joint_labels(root)
    found: list[tuple[Any, Person]] = []
    for image, elements in zip(images, shapes, strict=True):
        where = f"{file}, {image['file_name']}"
        found += [(image["id"], p) for p in _people(elements, joints, where, notes)]
    names = _names(joints, found, settings)
    labels = list(dict.fromkeys(person.label for _, person in found)) or list(joints) or ["person"]
    kept = _attributes(root.find("meta"), "efepose_id")
    ids = {label: written_id(kept.get(label, n)) for n, label in enumerate(labels, 1)}
    more = {"skeleton": _limbs(root, names), **_kept_skeleton(root, file)}
    content = {
        "images": images,
        "annotations": entries_of(found, names, ids),
        "categories": [
            {"id": own, "name": name, "keypoints": list(names), **more} for name, own in ids.items()
        ],
    }
    names_of_pictures = [image["file_name"] for image in images]
    if root.find("image") is None:
        names_of_pictures = _names_of_frames(images, settings.images, file)
    folder = picture_folder(names_of_pictures, settings.images, places_near(file), file)
    said = tuple(f"{count} {sentence}" for sentence, count in notes.items())
    return RawLabels("cvat", path, content, folder, said)


def _parse(file: Path) -> Element:
    try:
        root = ElementTree.fromstring(file.read_bytes())
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from None
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f"{file} is not XML: {error}.") from None
    if root.tag != "annotations" or (root.find("meta") is None and root.find("image") is None):
        raise DataError(f"{file} is not CVAT's XML 1.1: export as 'CVAT for images 1.1'.")
    return root


def _attributes(meta: Element | None, name: str) -> dict[str, str]:
    """Return an attribute's default of every label, where `write` keeps what CVAT cannot say."""
    found = {}
    for label in meta.iter("label") if meta is not None else ():
        for attribute in label.iterfind("attributes/attribute"):
            if attribute.findtext("name") == name:
                found[label.findtext("name", "")] = attribute.findtext("default_value", "")
    return found


def _kept_skeleton(root: Element, file: Path) -> Entry:
    """Return the mirror pairs and sigmas that `write` keeps."""
    text = next(iter(_attributes(root.find("meta"), "efepose_skeleton").values()), "{}")
    try:
        kept = json.loads(text)
    except ValueError:
        raise DataError(f"{file}: 'efepose_skeleton' is not JSON: {text:.60}.") from None
    return kept if isinstance(kept, dict) else {}


def _image(element: Element, place: int, file: Path) -> Entry:
    name = element.get("name")
    if not name:
        raise DataError(f"{file}: image {element.get('id', place)} has no name.")
    image: Entry = {"id": written_id(element.get("id", str(place))), "file_name": name}
    image |= {key: _whole(element, key, file) for key in ("width", "height") if element.get(key)}
    for tag in element.iterfind("tag"):
        values = {a.get("name"): a.text or "" for a in tag.iterfind("attribute")}
        if tag.get("label") == "efepose":
            image |= {"id": written_id(values.get("id", image["id"]))}
            image |= {key: values[key] for key in ("split", "sequence") if values.get(key)}
    if element.get("subset") and element.get("subset") != "default":
        image.setdefault("split", str(element.get("subset")).lower())
    return image


def _whole(element: Element, key: str, file: Path) -> int:
    text = element.get(key, "")
    if not text.isdecimal():
        raise DataError(
            f"{file}: '{key}' of {element.tag} must be a whole number, got {text!r:.40}."
        )
    return int(text)


def _frames(root: Element, file: Path) -> tuple[list[Entry], list[list[Element]]]:
    """Return the frames of a video that anything is drawn in, and what is drawn there."""
    size = root.find(".//original_size")
    sides = {k: int(size.findtext(k, "0")) for k in ("width", "height")} if size is not None else {}
    source = root.findtext(".//source") or root.findtext(".//task/name") or "video"
    drawn: dict[int, list[Element]] = {}
    for track in root.iterfind("track"):
        for shape in track:
            if shape.get("outside") == "1":
                continue
            shape.set("label", track.get("label", "person"))
            shape.set("track", track.get("id", ""))
            drawn.setdefault(_whole(shape, "frame", file), []).append(shape)
    images = [
        {"id": frame, "file_name": f"frame_{frame:06d}.PNG", "sequence": source}
        | {key: value for key, value in sides.items() if value}
        for frame in sorted(drawn)
    ]
    return images, [drawn[frame] for frame in sorted(drawn)]


def _names_of_frames(images: list[Entry], given: str, file: Path) -> list[str]:
    """Return the names of a video's frames, with the endings that they have where they lie."""
    places = [Path(given)] if given else list(dict.fromkeys(places_near(file)))
    for folder in places:
        frames = (p for p in folder.glob("frame_*") if p.suffix.lower() in IMAGE_ENDINGS)
        there = {frame.stem: frame.name for frame in frames}
        for image in images:
            image["file_name"] = there.get(Path(image["file_name"]).stem, image["file_name"])
        if there:
            break
    return [image["file_name"] for image in images]


def _joint_labels(root: Element) -> dict[str, list[str]]:
    """Return the joints of every skeleton label, in order."""
    joints: dict[str, list[str]] = {}
    for label in root.iterfind(".//labels/label"):
        name, parent = label.findtext("name", ""), label.findtext("parent")
        if parent:
            joints.setdefault(parent, []).append(name)
        elif label.findtext("type") == "skeleton":
            joints.setdefault(name, [])
    return joints


def _people(
    elements: list[Element], joints: dict[str, list[str]], where: str, notes: dict[str, int]
) -> Iterator[Person]:
    """Yield the people of a picture."""
    people: list[Person] = []
    groups: dict[str, Person] = {}
    points: list[Point] = []
    for element in elements:
        if element.tag == "skeleton":
            person = Person(None, None, element.get("label", "person"))
            for joint in _skeleton_points(element, where):
                if joint.name in person.joints:
                    raise DataError(f"{where}: a skeleton has the joint {joint.name} twice.")
                person.joints[joint.name] = joint
            _join_group(person, element, people, groups)
        elif element.tag == "box":
            box = _numbers(element, ("xtl", "ytl", "xbr", "ybr"), where)
            sides = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
            label = element.get("label", "person")
            plain = label.removesuffix(BOX_LABEL)
            person = Person(None, sides, plain if plain in joints or not joints else label)
            _join_group(person, element, people, groups)
        elif element.tag == "points":
            points += _loose_points(element, joints, people, groups, where)
    numbered = {id(person): n for n, person in enumerate(people)}
    for person in people:  # points name their person by its group
        person.id = ("group", numbered[id(person)]) if person.id is None else person.id
    for point in points:
        owner = groups.get(point.owner) if point.owner else None
        point.owner = owner.id if owner is not None else None
    for person in group_points(people, points, where, notes):
        person.id = None if isinstance(person.id, tuple) else person.id
        yield person


def _join_group(
    person: Person, element: Element, people: list[Person], groups: dict[str, Person]
) -> None:
    """Put what an element says of a person into the person of its group, or a new one."""
    group = element.get("group_id", "0") or "0"
    track = element.get("track")
    values = {a.get("name"): a.text or "" for a in element.iterfind("attribute")}
    if track:
        person.extras["track_id"] = written_id(track)
    for key in EXTRAS:
        if values.get(key):
            text = values[key]
            person.extras[key] = _float(text) if key in NUMBERS else written_id(text)
    if values.get("id"):
        person.id = written_id(values["id"])
    known = groups.get(group) if group != "0" else None
    if known is None:
        people.append(person)
        if group != "0":
            groups[group] = person
        return
    known.joints |= person.joints
    known.box = known.box or person.box
    known.label = person.label if person.joints else known.label
    known.id = person.id if known.id is None else known.id
    known.extras |= person.extras


def _float(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _skeleton_points(element: Element, where: str) -> Iterator[Point]:
    for joint in element.iterfind("points"):
        if joint.get("outside") == "1":
            continue
        x, y = _pairs(joint, where)[0]
        seen = 1 if joint.get("occluded") == "1" else 2
        yield Point(joint.get("label", ""), x, y, seen)


def _loose_points(
    element: Element,
    joints: dict[str, list[str]],
    people: list[Person],
    groups: dict[str, Person],
    where: str,
) -> list[Point]:
    """Return a joint that stands alone; a shape of several points is a person of its own."""
    pairs, label = _pairs(element, where), element.get("label", "")
    seen = 1 if element.get("occluded") == "1" else 2
    group = element.get("group_id", "0") or "0"
    if len(pairs) == 1 and label not in joints:
        if group != "0" and group not in groups:
            groups[group] = Person(label=next(iter(joints), "person"))
            people.append(groups[group])
        return [Point(label, *pairs[0], seen, group if group != "0" else None)]
    names = joints.get(label) or [f"joint_{k}" for k in range(len(pairs))]
    if len(names) != len(pairs):
        raise DataError(f"{where}: {len(pairs)} points of {label}, which has {len(names)} joints.")
    person = Person(None, None, label)
    for name, pair in zip(names, pairs, strict=True):
        person.joints[name] = Point(name, *pair, seen)
    _join_group(person, element, people, groups)
    return []


def _numbers(element: Element, keys: tuple[str, ...], where: str) -> list[float]:
    numbers = [_float(element.get(key, "")) for key in keys]
    good = [number for number in numbers if isinstance(number, float)]
    if len(good) != len(keys):
        raise DataError(f"{where}: a {element.tag} needs the numbers {', '.join(keys)}.")
    return good


def _pairs(element: Element, where: str) -> list[tuple[float, float]]:
    """Return the points ``x,y;x,y`` of a shape."""
    text = element.get("points", "")
    try:
        pairs = [tuple(map(float, pair.split(","))) for pair in text.split(";")]
        return [(x, y) for x, y in pairs]
    except ValueError:
        raise DataError(f"{where}: points must be x,y;x,y ..., got {text!r:.60}.") from None


def _names(
    joints: dict[str, list[str]], found: list[tuple[Any, Person]], settings: ReadSettings
) -> tuple[str, ...]:
    """Return all joints: as the labels list them, then others as found."""
    listed = dict.fromkeys(name for names in joints.values() for name in names)
    seen = dict.fromkeys(name for _, person in found for name in person.joints)
    return joint_order(list({**listed, **seen}), settings.skeleton)


def _limbs(root: Element, names: tuple[str, ...]) -> list[list[int]]:
    """Return the lines of the skeleton's drawing (``svg``), joints counted from 1."""
    drawing = unescape(root.findtext(".//labels/label/svg") or "")
    nodes = {}
    for circle in re.findall(r"<circle[^>]*>", drawing):
        marks = dict(re.findall(r'data-([a-z-]+)="([^"]*)"', circle))
        if marks.get("label-name") in names:
            nodes[marks.get("element-id")] = names.index(marks["label-name"]) + 1
    limbs = []
    for line in re.findall(r"<line[^>]*>", drawing):
        marks = dict(re.findall(r'data-([a-z-]+)="([^"]*)"', line))
        ends = [nodes.get(marks.get(key)) for key in ("node-from", "node-to")]
        limbs += [ends] if None not in ends else []
    return [[a, b] for a, b in limbs if a is not None and b is not None]
