"""Joints that are marked one by one -> people, where a format only has points and boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lib.structures.skeleton import Skeleton, load_skeleton, shipped_skeleton
from lib.utils.errors import DataError

Entry = dict[str, Any]


@dataclass
class Point:
    """A joint as marked: name, pixels, COCO's visibility, and whose it is, if anything says."""

    name: str
    x: float
    y: float
    visibility: int = 2
    owner: Any = None


@dataclass
class Person:
    """A box, or none, and the joints in it.

    Attributes:
        id: as the file has it; None where it has none.
        box: ``x, y, width, height`` in pixels; None where there is none.
        label: name of the category.
        joints: by name.
        extras: keys of the annotation's entry that the file says (``area``, ``track_id`` ...).
    """

    id: Any = None
    box: list[float] | None = None
    label: str = "person"
    joints: dict[str, Point] = field(default_factory=dict)
    extras: Entry = field(default_factory=dict)

    def holds(self, point: Point) -> bool:
        """Return whether a point is in the box."""
        if self.box is None:
            return False
        x, y, width, height = self.box
        return x <= point.x <= x + width and y <= point.y <= y + height

    @property
    def area(self) -> float:
        """Square pixels of the box."""
        return self.box[2] * self.box[3] if self.box is not None else float("inf")


def group_points(
    people: list[Person], points: Sequence[Point], picture: Any, notes: dict[str, int]
) -> list[Person]:
    """Return the people of a picture with all points: those that are somebody's, then the others.

    A point without an owner is of the smallest box that holds it and has no such joint yet. Without
    any box all are one person.

    Args:
        people: with what is known of them; joints are put into them.
        points: of the picture.
        picture: its name, for messages.
        notes: counts by sentence, added to.

    Raises:
        DataError: there are no boxes, and a joint is there twice: how many people are there?
    """
    owners = {person.id: person for person in people}
    free = []
    for point in points:
        owner = owners.get(point.owner) if point.owner is not None else None
        if owner is None:
            free.append(point)
        elif point.name in owner.joints:
            raise DataError(f"{picture}: person {owner.id} has the joint {point.name} twice.")
        else:
            owner.joints[point.name] = point
    if free and not people:
        return [_only_person(free, picture)]
    for point in free:
        fitting = [p for p in people if p.holds(point) and point.name not in p.joints]
        if not fitting:
            _count(notes, "joints are in no box and of no person: they are left out")
            continue
        if len(fitting) > 1:
            _count(notes, "joints are in several boxes, and taken for the smallest one's")
        min(fitting, key=lambda person: person.area).joints[point.name] = point
    return people


def _count(notes: dict[str, int], sentence: str) -> None:
    notes[sentence] = notes.get(sentence, 0) + 1


def _only_person(points: Sequence[Point], picture: Any) -> Person:
    person = Person()
    for point in points:
        if point.name in person.joints:
            raise DataError(
                f"{picture}: the joint {point.name} is marked twice, and no box or group says "
                "whose joints are whose; draw a box around each person, or group joints."
            )
        person.joints[point.name] = point
    return person


def joint_order(names: Sequence[str], given: Skeleton | None) -> tuple[str, ...]:
    """Return all joints in an order: that of the user's skeleton, a known data set's, or as found.

    Args:
        names: distinct joints in the order in which they were found.
        given: the user's skeleton.

    Raises:
        DataError: the user's skeleton lacks a joint.
    """
    if given is not None:
        lacking = [name for name in names if name not in given.joints]
        if lacking:
            raise DataError(
                f"The skeleton '{given.name}' has no {', '.join(lacking[:3])}; its joints are "
                f"{', '.join(given.joints)}."
            )
        return given.joints
    if shipped_skeleton(tuple(names)) is not None:
        return tuple(names)
    coco = load_skeleton("coco").joints
    return coco if set(names) == set(coco) else tuple(names)


def entries_of(
    people: Sequence[tuple[Any, Person]], names: Sequence[str], labels: dict[str, int]
) -> list[Entry]:
    """Return COCO's annotations.

    Args:
        people: image id and person, in order.
        names: joints in order.
        labels: category ids by name.
    """
    used = {person.id for _, person in people if person.id is not None}
    rows, number = [], 0
    for image, person in people:
        if person.id is None:
            number += 1
            while number in used:
                number += 1
        flat: list[float] = []
        for name in names:
            point = person.joints.get(name)
            flat += [0, 0, 0] if point is None else [point.x, point.y, point.visibility]
        row = {
            "id": number if person.id is None else person.id,
            "image_id": image,
            "category_id": labels[person.label],
            "keypoints": flat,
            "iscrowd": 0,
        }
        if person.box is not None:
            row["bbox"] = person.box
        rows.append(row | person.extras)
    return rows


def written_id(text: Any) -> Any:
    """Return the id that a text stands for: a whole number written as one is that number."""
    if isinstance(text, str) and text.isdecimal() and str(int(text)) == text:
        return int(text)
    return text
