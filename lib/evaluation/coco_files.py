"""Ground truth and results of a split, held against each other; errors name what to mend."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from lib.annotations.columns import number_of
from lib.annotations.detections import rows_of_people
from lib.annotations.form import Annotations
from lib.annotations.matching import PictureKeys
from lib.annotations.reading import ReadOptions, read_annotations
from lib.utils.errors import DataError
from lib.utils.files import read_json

Rows = list[dict[str, Any]]
GroundTruth = str | Path | dict[str, Any] | Annotations


def read_truth_file(source: str | Path | dict[str, Any], num_joints: int = 0) -> Annotations:
    """Return the people of an annotation file, or of its content, for scores: without pictures.

    Args:
        source: the file or its content.
        num_joints: how many joints a file without names has; 0 takes 17 for COCO's and 14 for
            CrowdPose's.

    Raises:
        DataError: see ``read_annotations``.
    """
    options = ReadOptions(for_scores=True, num_joints=num_joints, advice="check the path")
    return read_annotations(source, options=options)


def read_truth(truth: GroundTruth, sigmas: Sequence[float] | None = None) -> Annotations:
    """Return the people to score against.

    Joints without names are COCO's if they are 17, CrowdPose's if they are 14, else as many as
    there are ``sigmas``.

    Raises:
        DataError: see ``read_annotations``; there is nothing annotated, as in a test split; or
            there are not as many joints as sigmas.
    """
    if not isinstance(truth, Annotations):
        truth = read_truth_file(truth, 0 if sigmas is None else len(sigmas))
    if not truth.has_truth:
        raise DataError("The ground truth has no 'annotations': a test split cannot be scored.")
    joints = truth.skeleton.num_joints
    if sigmas is not None and len(sigmas) != joints:
        raise DataError(
            f"{truth.path} annotates {joints} joints, but there are {len(sigmas)} sigmas."
        )
    return truth


def match_results(rows: Rows, truth: Annotations) -> Rows:
    """Return result rows of people, with ids of images and categories as the data set has them.

    Rows may name images by anything that `PictureKeys` knows. Damaged rows and unknown images stay:
    whoever reads the rows names them.

    Raises:
        DataError: all rows are of other categories than people; or an image may be several.
    """
    images = truth.images
    labels = set(images.ids.tolist()) if images.own is None else set(images.own)
    known = set(truth.category_ids)
    try:
        if {row["image_id"] for row in rows} <= labels and {
            r["category_id"] for r in rows
        } <= known:
            return rows
        rows = rows_of_people(rows, truth.category, "the results")
        pictures = PictureKeys.of(images)
        places = {key: pictures.find(key) for key in {row["image_id"] for row in rows}}
    except (KeyError, TypeError):
        return rows
    own = {str(number_of(value)): value for value in truth.category.ids}
    only = truth.category_ids[0] if len(known) == 1 else None
    return [
        {
            **row,
            "image_id": row["image_id"] if place is None else images.label(place),
            "category_id": own.get(str(number_of(row["category_id"])), only)
            if only is None
            else only,
        }
        for row in rows
        for place in (places[row["image_id"]],)
    ]


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
