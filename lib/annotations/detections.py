"""Detector and result files: rows ``{image_id, category_id, ...}`` held against a data set."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from lib.annotations.boxes import SLACK, plain_boxes
from lib.annotations.categories import COCO_PERSON, PersonCategory
from lib.annotations.columns import Rows, is_number, number_of
from lib.annotations.decisions import Decisions
from lib.annotations.matching import PictureKeys, match_pictures
from lib.annotations.tables import ImageTable, PersonTable
from lib.utils.errors import DataError
from lib.utils.files import read_json

logger = logging.getLogger(__name__)


def read_detections(
    path: str | Path,
    images: ImageTable,
    num_joints: int,
    min_score: float,
    category: PersonCategory = COCO_PERSON,
    key: str = "TEST.COCO_BBOX_FILE",
) -> PersonTable:
    """Read a detector file: a list of ``{image_id, category_id, bbox, score}``.

    Boxes are taken as they are, neither cut to the image nor sorted. Detections of other
    categories, of images that are not in ``images``, and below ``min_score`` are left out.

    Raises:
        DataError: missing, not JSON, not such a list, a box that is not finite or is negative, or
            nothing of it belongs to these images or to people.
    """
    content = read_json(path, "detector", f"check {key}")
    if not isinstance(content, list):
        raise DataError(f"{path} must hold a list of detections, as COCO's result files do.")
    for row in content:
        _check_detection(row, path)
    rows = rows_of_people(content, category, str(path))
    where = f"the {len(images)} images of this set"
    places = match_pictures(
        [row["image_id"] for row in rows], PictureKeys.of(images), str(path), where
    )
    scores = np.array([row["score"] for row in rows], np.float64)
    keep = (places >= 0) & (scores >= min_score)
    rows = [row for row, kept in zip(rows, keep, strict=True) if kept]
    boxes = _detector_boxes(rows, path)
    _refuse_corners(boxes, images.sizes[places[keep]], path)
    good = (boxes[:, 2:] > 0).all(axis=1)
    if not good.all():
        logger.warning("%s: %d boxes without area are left out", path, np.count_nonzero(~good))
    if not good.any():
        logger.warning(
            "%s: none of its %d rows is a person in %s, scored at least %g",
            path,
            len(content),
            where,
            min_score,
        )
    chosen = np.flatnonzero(keep)[good]
    order = np.argsort(places[chosen], kind="stable")
    chosen, boxes = chosen[order], boxes[good][order]
    return detected_people(images, places[chosen], boxes, scores[chosen], num_joints)


def detected_people(
    images: ImageTable,
    image_index: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray,
    num_joints: int,
) -> PersonTable:
    """Return N people of whom boxes are known only: (N,) images, (N, 4) xywh, (N,) scores."""
    count = len(boxes)
    return PersonTable(
        images=images,
        image_index=image_index.astype(np.int32),
        ids=np.full(count, -1, np.int64),
        boxes=boxes.astype(np.float32),
        crops=np.full((count, 4), np.nan, np.float32),
        scores=scores.astype(np.float32),
        keypoints=np.zeros((count, num_joints, 2), np.float32),
        visibility=np.zeros((count, num_joints), np.uint8),
        areas=boxes[:, 2:].prod(axis=1).astype(np.float32),
    )


def rows_of_people(rows: Rows, category: PersonCategory, file: str) -> Rows:
    """Return the rows whose ``category_id`` is people in the data set.

    A file of one category only, another number than the data set's, is taken for people, aloud.

    Raises:
        DataError: the file has several categories, none of them the data set's.
    """
    counts = Counter(str(number_of(row.get("category_id"))) for row in rows)
    people = [row for row in rows if category.has(number_of(row.get("category_id")))]
    if people or not rows:
        if len(people) < len(rows):
            logger.info(
                "%s: %d of %d rows are of other categories",
                file,
                len(rows) - len(people),
                len(rows),
            )
        return people
    if len(counts) > 1:
        raise DataError(
            f"{file}: its categories are {', '.join(sorted(counts)[:5])}, people in the data set "
            "are "
            f"{', '.join(map(str, category.ids))} ({category.name}); give its rows that "
            "'category_id'."
        )
    logger.warning(
        "%s: all its rows are of category %s, people in the data set are %s (%s): they are taken "
        "for people",
        file,
        next(iter(counts)),
        category.id,
        category.name,
    )
    return rows


def _check_detection(row: Any, path: str | Path) -> None:
    known = isinstance(row, dict) and all(
        isinstance(row.get(key), int | str | float) and not isinstance(row.get(key), bool)
        for key in ("image_id", "category_id")
    )
    if not known or "bbox" not in row or not is_number(row.get("score")):
        raise DataError(
            f"{path}: a detection must have an 'image_id', a 'category_id', a number 'score', and "
            "a "
            f"'bbox', got {row!r:.200}."
        )


def _refuse_corners(boxes: np.ndarray, sizes: np.ndarray, path: str | Path) -> None:
    """Refuse boxes (N, 4) that hardly fit (N, 2) images, and as corners ``x1, y1, x2, y2`` all do.

    Raises:
        DataError: they do.
    """
    known = (sizes > 0).all(axis=1)
    boxes, limits = boxes[known], sizes[known] + SLACK
    if not len(boxes):
        return
    corners = (boxes[:, 2:] >= boxes[:, :2]).all() and (boxes[:, 2:] <= limits).all()
    leaves = (boxes[:, :2] + boxes[:, 2:] > limits).any(axis=1)
    if corners and leaves.mean() > 0.5:
        raise DataError(
            f"{path}: most boxes leave their images as x, y, width, height, and as corners x1, y1, "
            "x2, y2 all lie inside; write 'bbox' as x, y, width, height."
        )


def _detector_boxes(rows: Rows, path: str | Path) -> np.ndarray:
    """Return (N, 4) ``x, y, width, height``.

    Raises:
        DataError: one is not four finite numbers, or has a negative side.
    """
    labels = [row["image_id"] for row in rows]
    boxes = plain_boxes(rows, labels, Decisions(path), "a detection in image")
    bad = (boxes[:, 2:] < 0).any(axis=1)
    if bad.any():
        n = int(bad.argmax())
        raise DataError(
            f"{path}: box {rows[n]['bbox']} of image {rows[n]['image_id']} must be x, y, width, "
            "height, "
            "with width and height of at least 0."
        )
    return boxes
