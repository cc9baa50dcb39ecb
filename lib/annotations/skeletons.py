"""The joints of a file: named by its category, or by DATASET.SKELETON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lib.annotations.categories import PersonCategory
from lib.annotations.columns import Rows
from lib.annotations.decisions import Decisions
from lib.structures.skeleton import (
    Skeleton,
    load_skeleton,
    shipped_skeleton,
    skeleton_from_category,
    skeleton_from_dict,
)
from lib.utils.errors import DataError

UNNAMED = {17: "coco", 14: "crowdpose"}  # joints that scoring takes for a data set's


def file_skeleton(
    category: PersonCategory, given: Skeleton | None, decisions: Decisions
) -> Skeleton:
    """Return the skeleton that was ``given``, else the one that the category names.

    Raises:
        DataError: the category names no joints and none were given; or it names those that were
            given, in another order.
    """
    if given is not None:
        _check_order(category, given, decisions)
        return given
    if not category.joints:
        raise DataError(
            f"{decisions.path}: no category lists 'keypoints', so the joints have no names; set "
            "DATASET.SKELETON to a skeleton's name or YAML file."
        )
    limbs, complaint = plain_limbs(category.entry.get("skeleton"), category.joints)
    if complaint and shipped_skeleton(category.joints) is None:
        decisions.add("skeleton", f"limbs ('skeleton') are for drawing only, and {complaint}")
    entry = {"name": category.name, "keypoints": list(category.joints), "skeleton": limbs}
    sigmas = _sigmas(category, decisions)
    if sigmas is not None:
        entry["sigmas"] = sigmas
    if category.entry.get("flip_pairs"):
        entry["flip_pairs"] = category.entry["flip_pairs"]
    return skeleton_from_category(entry, decisions.path)


def unnamed_skeleton(rows: Rows, source: str, num_joints: int = 0) -> Skeleton:
    """Return the skeleton of joints without names, as scoring takes them.

    17 joints are COCO's, 14 are CrowdPose's; any other number has numbers for names if
    ``num_joints`` says it.

    Raises:
        DataError: another number, or several.
    """
    counts = {len(row["keypoints"]) // 3 for row in rows if isinstance(row.get("keypoints"), list)}
    counts = {num_joints} if num_joints else counts - {0}
    if len(counts) == 1 and counts <= UNNAMED.keys():
        return load_skeleton(UNNAMED[counts.pop()])
    if num_joints:
        joints = [f"joint {k}" for k in range(num_joints)]
        return skeleton_from_dict({"name": "unnamed", "joints": joints}, source)
    raise DataError(
        f"{source} has no category with 'keypoints': its joints have no names; set "
        "DATASET.SKELETON."
    )


def plain_limbs(value: Any, joints: Sequence[str]) -> tuple[list[list[int]], str]:
    """Return limbs as pairs of numbers from 1, and what was wrong with the others.

    Tools count joints from 0 or from 1, or write names.
    """
    if value is None or value == []:
        return [], ""
    if not isinstance(value, list):
        return [], f"are not a list of pairs ({value!r:.40}): none is drawn"
    numbers = {name: place + 1 for place, name in enumerate(joints)}
    pairs = [_pair(limb, numbers) for limb in value]
    known = [pair for pair in pairs if pair is not None]
    from_zero = any(0 in pair for pair in known) and max(map(max, known)) < len(joints)
    if from_zero:
        known = [[a + 1, b + 1] for a, b in known]
    good = [
        pair for pair in known if all(1 <= k <= len(joints) for k in pair) and pair[0] != pair[1]
    ]
    lost = len(value) - len(good)
    said = []
    if from_zero:
        said.append("count joints from 0")
    if lost:
        said.append(f"{lost} of {len(value)} join no two joints and are left out")
    return good, "; ".join(said)


def _pair(limb: Any, numbers: dict[str, int]) -> list[int] | None:
    if not isinstance(limb, list) or len(limb) != 2:
        return None
    ends = [numbers.get(end, end) if isinstance(end, str) else end for end in limb]
    if not all(isinstance(end, int | float) and end == end // 1 for end in ends):
        return None
    return [int(end) for end in ends]


def _sigmas(category: PersonCategory, decisions: Decisions) -> list[float] | None:
    sigmas = category.entry.get("sigmas")
    if sigmas is None:
        return None
    good = isinstance(sigmas, list) and all(
        isinstance(s, int | float) and 0 < s < 10 for s in sigmas
    )
    if not good or len(sigmas) != len(category.joints):
        raise DataError(
            f"{decisions.path}: 'sigmas' of the category {category.name} must be "
            f"{len(category.joints)} numbers above 0, one per joint, got {sigmas!r:.60}."
        )
    return sigmas


def _check_order(category: PersonCategory, given: Skeleton, decisions: Decisions) -> None:
    if set(category.joints) == set(given.joints) and category.joints != given.joints:
        place = next(
            k for k, (a, b) in enumerate(zip(category.joints, given.joints, strict=True)) if a != b
        )
        raise DataError(
            f"{decisions.path}: its joints are those of the skeleton '{given.name}' in another "
            "order "
            f"(joint {place} is {category.joints[place]}, not {given.joints[place]}); leave "
            "DATASET.SKELETON empty, or put its joints into the order of the file."
        )
