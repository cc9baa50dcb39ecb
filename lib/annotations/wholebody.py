"""COCO-WholeBody's own format (Jin et al. 2020): five lists of joints per person, here one of 133.

Body 17, foot 6, face 68, left hand 21, right hand 21.
"""

from __future__ import annotations

from typing import Any

from lib.structures.skeleton import load_skeleton
from lib.utils.errors import DataError

KEYS = {
    "keypoints": 17,
    "foot_kpts": 6,
    "face_kpts": 68,
    "lefthand_kpts": 21,
    "righthand_kpts": 21,
}
JOINTS = sum(KEYS.values())


def join_parts(content: dict[str, Any]) -> dict[str, Any]:
    """Return the data set with all 133 joints of every person in ``keypoints``.

    Raises:
        DataError: a person lacks a part, or it has another number of joints.
    """
    annotations = []
    for number, row in enumerate(content.get("annotations") or ()):
        joined = joined_joints(row, f"Annotation {row.get('id', number)}")
        count = sum(v > 0 for v in joined[2::3])
        annotations.append({**row, "keypoints": joined, "num_keypoints": count})
    names = list(load_skeleton("wholebody").joints)
    kinds = [{**kind, "keypoints": names} for kind in content.get("categories") or ()]
    kinds = [{k: v for k, v in kind.items() if k != "skeleton"} for kind in kinds]
    return {**content, "annotations": annotations, "categories": kinds}


def joined_joints(row: dict[str, Any], name: str) -> list[float]:
    """Return the 3 x 133 numbers of a person, however they came.

    Args:
        row: annotation or result.
        name: what it is, for messages.

    Raises:
        DataError: it has neither 133 joints nor the five lists.
    """
    if len(row.get("keypoints") or ()) == 3 * JOINTS:
        return row["keypoints"]
    numbers: list[float] = []
    for key, count in KEYS.items():
        part = row.get(key)
        if not isinstance(part, list) or len(part) != 3 * count:
            length = len(part) if isinstance(part, list) else "no"
            raise DataError(
                f"{name} has {length} numbers in '{key}', wanted {3 * count}: COCO-WholeBody has "
                f"{JOINTS} joints of x, y, v in 'keypoints', or apart in {', '.join(KEYS)}."
            )
        numbers += part
    return numbers
