"""Proposed corrections of annotations (``tools/data/mine_labels.py``), applied to a data set.

A file lists entries ``{kind, doubt, apply, image_id, annotation_id, action, keypoints}``. Only
those whose ``apply`` is true are done, so that a person can decide on each.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lib.datasets.formats.labels import Entry, LabelSet
from lib.utils.errors import DataError
from lib.utils.files import read_json

ACTIONS = ("replace", "remove", "add")
FARTHEST = 1e9  # pixels: more is not a place
MARGIN = 0.1  # of the joints' extent, around people that are added


def apply_corrections(labels: LabelSet, file: str | Path) -> LabelSet:
    """Return a data set with the corrections of a file, and a note of how many.

    Raises:
        DataError: an entry is damaged, or of another data set.
    """
    entries = read_json(file, "correction", "check --corrections")
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise DataError(f"{file} must list corrections, as tools/data/mine_labels.py writes them.")
    people = {_key(person["id"]): person for person in labels.people}
    images = {_key(image["id"]): image["id"] for image in labels.images}
    counts = dict.fromkeys(ACTIONS, 0)
    for place, entry in enumerate(entries):
        where = f"{file}, entry {place}"
        if entry.get("apply") is not True:
            continue
        action = entry.get("action")
        if action not in ACTIONS:
            raise DataError(f"{where}: 'action' is {action!r:.40}, wanted {', '.join(ACTIONS)}.")
        counts[action] += 1
        if action == "add":
            person = _new(entry, labels, people, images, where)
            people[_key(person["id"])] = person
            continue
        own = _key(entry.get("annotation_id"))
        if own not in people:
            raise DataError(f"{where}: there is no annotation {entry.get('annotation_id')!r:.40}.")
        if action == "remove":
            del people[own]
        else:
            people[own] = {**people[own], **_joints(entry, labels, where)}
    note = ", ".join(f"{count} {action}" for action, count in counts.items())
    left = len(entries) - sum(counts.values())
    done = f"corrections of {file}: {note}; {left} not to be applied"
    return replace(labels, people=list(people.values()), notes=(*labels.notes, done))


def _key(value: Any) -> str:
    return str(value)


def _joints(entry: Entry, labels: LabelSet, where: str) -> Entry:
    """Return the joints of a correction as keys of an annotation."""
    given, wanted = entry.get("keypoints"), 3 * labels.skeleton.num_joints
    flat = given if isinstance(given, list) else []
    good = all(isinstance(v, int | float) and abs(v) < FARTHEST for v in flat)
    if not good or len(flat) != wanted or not set(flat[2::3]) <= {0, 1, 2}:
        raise DataError(
            f"{where}: 'keypoints' must be {wanted} numbers x, y and visibility (0, 1 or 2), got "
            f"{given!r:.60}."
        )
    count = sum(v > 0 for v in flat[2::3])
    return {"keypoints": [float(v) for v in flat], "num_keypoints": count}


def _new(
    entry: Entry, labels: LabelSet, people: dict[str, Entry], images: dict[str, Any], where: str
) -> Entry:
    image = images.get(_key(entry.get("image_id")))
    if image is None:
        raise DataError(f"{where}: there is no image {entry.get('image_id')!r:.40}.")
    joints = _joints(entry, labels, where)
    points = np.array(joints["keypoints"]).reshape(-1, 3)
    points = points[points[:, 2] > 0, :2]
    if not len(points):
        raise DataError(f"{where}: a person to add has no joints.")
    sides = np.maximum(np.ptp(points, axis=0), 1)
    low = points.min(axis=0) - MARGIN * sides
    box = [*low.tolist(), *((1 + 2 * MARGIN) * sides).tolist()]
    numbers = [person["id"] for person in people.values() if isinstance(person["id"], int)]
    own = {"id": max(numbers, default=0) + 1, "image_id": image}
    own |= {"category_id": labels.categories[0]["id"], "bbox": box, "iscrowd": 0}
    return own | {"area": 0.53 * box[2] * box[3]} | joints
