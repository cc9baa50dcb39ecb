"""Annotations that look wrong: what to look at before blaming a model."""

from __future__ import annotations

import numpy as np

from lib.annotations.tables import PersonTable
from lib.structures.skeleton import Skeleton

OUTSIDE_BOX = 0.1  # of the box's size, beyond its border
SAME = 2.0  # pixels: joints of two annotations of one person differ by less, on average


def inspect_people(people: PersonTable, skeleton: Skeleton) -> dict[str, np.ndarray]:
    """Return rows of ``people`` by what is suspicious about them; kinds without any are left out.

    - ``joints outside the image`` by more than a pixel
    - ``joints outside their box`` by more than a tenth of its size
    - ``box outside the image``: none of it is inside
    - ``zero area``: of the box or of the person, though joints are annotated
    - ``annotated twice``: the joints of another person of the image
    - ``left and right swapped``: a person who faces the camera (the nose is annotated as visible)
      with the left shoulder and the left hip left of the right ones; people who are upside down or
      look back are flagged, too

    Joints outside the image count as not annotated in tables that ``read_annotations`` made.
    """
    seen = people.visibility > 0
    sizes = people.images.sizes[people.image_index].astype(np.float32)
    found = {
        "joints outside the image": _beyond(
            people, seen, np.zeros_like(sizes), sizes - 1, np.ones_like(sizes)
        ),
        "joints outside their box": _beyond(
            people,
            seen,
            people.boxes[:, :2],
            people.boxes[:, :2] + people.boxes[:, 2:],
            OUTSIDE_BOX * people.boxes[:, 2:],
        ),
        "box outside the image": _box_outside(people.boxes, sizes),
        "zero area": ((people.boxes[:, 2:] <= 0).any(axis=1) | (people.areas <= 0))
        & seen.any(axis=1),
        "annotated twice": _duplicates(people, seen),
        "left and right swapped": _swapped(people, skeleton),
    }
    return {kind: np.nonzero(flags)[0] for kind, flags in found.items() if flags.any()}


def _beyond(
    people: PersonTable, seen: np.ndarray, low: np.ndarray, high: np.ndarray, slack: np.ndarray
) -> np.ndarray:
    """Return (N,) bool: a joint is outside ``low``..``high`` (N, 2) by more than ``slack``."""
    joints = people.keypoints
    before = joints < (low - slack)[:, None]
    after = joints > (high + slack)[:, None]
    return np.asarray(((before | after).any(axis=2) & seen).any(axis=1))


def _box_outside(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    after = (boxes[:, :2] >= sizes).any(axis=1)
    before = (boxes[:, :2] + boxes[:, 2:] <= 0).any(axis=1)
    return np.asarray((boxes[:, 2:] > 0).all(axis=1) & (after | before))


def _duplicates(people: PersonTable, seen: np.ndarray) -> np.ndarray:
    """Return (N,) bool: an earlier person of the same image has the same joints."""
    twice = np.zeros(len(people), bool)
    order = np.argsort(people.image_index, kind="stable")
    starts = np.nonzero(np.diff(people.image_index[order], prepend=-1))[0]
    for rows in np.split(order, starts[1:]):
        both = seen[rows, None] & seen[None, rows]
        count = both.sum(axis=2)
        joints = people.keypoints[rows]
        distance = np.linalg.norm(joints[:, None] - joints[None], axis=3)
        mean = (distance * both).sum(axis=2) / np.maximum(count, 1)
        most = np.minimum(seen[rows].sum(axis=1)[:, None], seen[rows].sum(axis=1)[None])
        same = (count >= 3) & (count == most) & (mean < SAME)
        twice[rows] = np.tril(same, -1).any(axis=1)
    return twice


def _swapped(people: PersonTable, skeleton: Skeleton) -> np.ndarray:
    """Return (N,) bool; nobody where the skeleton lacks nose, shoulders or hips."""
    names = {name: k for k, name in enumerate(skeleton.joints)}
    pairs = [("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")]
    if "nose" not in names or any(name not in names for pair in pairs for name in pair):
        return np.zeros(len(people), bool)
    wrong = people.visibility[:, names["nose"]] == 2
    for left, right in pairs:
        left_index, right_index = names[left], names[right]
        wrong &= (people.visibility[:, [left_index, right_index]] == 2).all(axis=1)
        across = people.keypoints[:, right_index, 0] - people.keypoints[:, left_index, 0]
        wrong &= across > 0.1 * people.boxes[:, 2]
    return wrong
