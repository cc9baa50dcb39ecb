"""COCO annotation and result files: read, checked, completed; errors name file, key and mending."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

from lib.structures.skeleton import Skeleton, load_skeleton, skeleton_from_category
from lib.utils.errors import DataError
from lib.utils.files import read_json

CROWDPOSE_AREA = 0.53  # share of its box a person covers, where a file gives no areas
Rows = list[dict[str, Any]]


def read_ground_truth(source: str | Path | dict[str, Any]) -> dict[str, Any]:
    """Return a COCO data set (``images``, ``annotations``, ``categories``), not yet completed.

    A file without any annotated object (``image_info_test-dev2017.json``) gives
    ``annotations: None``.

    Raises:
        DataError: the file is missing, not JSON, or not a COCO data set.
    """
    name = "the ground truth" if isinstance(source, dict) else f"'{source}'"
    dataset = source if isinstance(source, dict) else read_json(source)
    if not isinstance(dataset, dict) or not isinstance(dataset.get("images"), list):
        raise DataError(f"{name} is no COCO annotation file: it needs a list 'images'.")
    if "annotations" not in dataset:
        return {**dataset, "annotations": None}
    for key in ("annotations", "categories"):
        if not isinstance(dataset.get(key), list):
            raise DataError(f"{name} is no COCO annotation file: it needs a list '{key}'.")
    return dataset


def pose_skeleton(dataset: dict[str, Any], source: str = "the ground truth") -> Skeleton:
    """Return the skeleton of the first category that names keypoints.

    Without any, 17 number triples are taken for COCO's joints and 14 for CrowdPose's.

    Raises:
        DataError: neither names nor a known count.
    """
    for category in dataset["categories"]:
        if category.get("keypoints"):
            return skeleton_from_category(category, source)
    counts = {len(row["keypoints"]) // 3 for row in dataset["annotations"] if "keypoints" in row}
    names = {17: "coco", 14: "crowdpose"}
    if len(counts) == 1 and counts <= names.keys():
        return load_skeleton(names[counts.pop()])
    raise DataError(f"{source} has no category with 'keypoints': its joints have no names.")


def complete_poses(annotations: Rows, joints: int) -> Rows:
    """Return copies with all that scoring needs; the originals stay as they are.

    ``iscrowd`` is 0, ``area`` 0.53 of the box (CrowdPose's convention) and ``num_keypoints`` the
    count of labelled joints where a file leaves them out; a person without ``keypoints`` has none
    labelled. Ids count from 1: pycocotools takes a match with id 0 for none.

    Raises:
        DataError: a key is missing, a row has another number of joints, or a number is not finite.
    """
    hint = f"check 'categories' and the file ({joints} joints of x, y, v; boxes of x, y, w, h)."
    completed = []
    for number, row in enumerate(annotations):
        name = f"Annotation {row.get('id', number)}"
        keypoints = row.get("keypoints") or [0] * (3 * joints)
        _require_numbers(keypoints, 3 * joints, "keypoints", name, hint)
        box = _entry(row, "bbox", name)
        _require_numbers(box, 4, "bbox", name, hint)
        area = row.get("area", CROWDPOSE_AREA * box[2] * box[3])
        _require_numbers([area], 1, "area", name, hint)
        completed.append(
            {
                **row,
                "id": number + 1,
                "image_id": _entry(row, "image_id", name),
                "category_id": _entry(row, "category_id", name),
                "keypoints": keypoints,
                "iscrowd": row.get("iscrowd", 0),
                "area": area,
                "num_keypoints": row.get("num_keypoints", sum(v > 0 for v in keypoints[2::3])),
            }
        )
    return completed


def read_results(source: str | Path | Rows) -> Rows:
    """Return the rows of a COCO results file, or ``source`` itself if it is a list.

    Raises:
        DataError: the file is missing, not JSON, or not a list of objects.
    """
    rows = read_json(source) if isinstance(source, str | Path) else source
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        name = f" in '{source}'" if isinstance(source, str | Path) else ""
        raise DataError(f"The results{name} must be a list of objects, one per person.")
    return rows


def check_results(rows: Rows, image_ids: set[int]) -> None:
    """Check that every row has a score and a category and is of one of these images.

    Raises:
        DataError: a key is missing, an image is unknown, or a score is no finite number.
    """
    for number, row in enumerate(rows):
        name = f"Result {number}"
        if _entry(row, "image_id", name) not in image_ids:
            raise DataError(
                f"{name} is of image {row['image_id']}, which the ground truth does not have: "
                "do both files belong to the same data set?"
            )
        _entry(row, "category_id", name)
        score = _entry(row, "score", name)
        if not isinstance(score, int | float) or not math.isfinite(score):
            raise DataError(f"{name} has the score {score!r}, wanted a finite number.")


def check_numbers(rows: Rows, key: str, length: int) -> None:
    """Check that every row has ``length`` finite numbers under ``key``.

    Raises:
        DataError: the key is missing, or holds something else.
    """
    hint = "was it made for another data set?"
    for number, row in enumerate(rows):
        name = f"Result {number}"
        _require_numbers(_entry(row, key, name), length, key, name, hint)


def _require_numbers(value: Any, length: int, key: str, name: str, hint: str) -> None:
    count = len(value) if isinstance(value, Collection) else "no"
    if count != length:
        raise DataError(f"{name} has {count} numbers in '{key}', wanted {length}: {hint}")
    try:
        finite = math.isfinite(sum(value))  # one term that is not makes the sum so, too
    except TypeError:
        finite = False
    if not finite:
        raise DataError(f"'{key}' of {name} must be finite numbers, got {value!r:.200}.")


def _entry(row: dict[str, Any], key: str, name: str) -> Any:
    if key not in row:
        raise DataError(f"{name} has no '{key}', only {sorted(row)}.")
    return row[key]
