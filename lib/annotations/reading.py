"""COCO annotation and detector files, checked while they are read (Lin et al. 2014)."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.annotations.columns import column, is_number, refuse_duplicates, require_rows
from lib.annotations.tables import ImageTable, PersonTable
from lib.structures.skeleton import Skeleton, load_skeleton, skeleton_from_category
from lib.utils.errors import DataError
from lib.utils.files import read_json

logger = logging.getLogger(__name__)

PERSON = 1  # COCO's category id
ADVICE = "check DATASET.ROOT and the set's name"


@dataclass(frozen=True)
class Annotations:
    """Everything in an annotation file, before any task has chosen what it needs.

    Attributes:
        people: all annotations, crowd regions and people without joints included, boxes as written.
        is_crowd: (N,) bool.
        num_keypoints: (N,) int32 as written in the file (CrowdPose counts twelve of fourteen), the
            count of labelled joints where a file leaves it out.
        segmentations: N polygons lists or run-length dictionaries as JSON, None where missing;
            empty unless asked for.
        skeleton: from the file's ``categories``, or the one given to the reader.
    """

    people: PersonTable
    is_crowd: np.ndarray
    num_keypoints: np.ndarray
    segmentations: np.ndarray
    skeleton: Skeleton


def read_annotations(
    path: str | Path,
    image_folder: str,
    skeleton: Skeleton | None = None,
    *,
    with_segmentation: bool = False,
    images_only: bool = False,
) -> Annotations:
    """Read a COCO keypoint file.

    Args:
        path: the annotation file.
        image_folder: what stands before file names, with its separator.
        skeleton: joints of the data set; None takes those of the file's ``categories``.
        with_segmentation: keep the outlines (bottom-up needs them for its masks).
        images_only: the file may lack annotations, as those of COCO's test sets do.

    Raises:
        DataError: the file is missing, not JSON, lacks keys, has ids twice, boxes that are not
            finite or negative, or another number of joints than the skeleton.
    """
    content = read_json(path, "annotation", ADVICE)
    if images_only and isinstance(content, dict):
        content.setdefault("annotations", [])
        skeleton = skeleton or load_skeleton("coco")
    if not isinstance(content, dict) or not {"images", "annotations"} <= content.keys():
        raise DataError(f"{path} must hold 'images' and 'annotations', as COCO's files do.")
    for key in ("images", "annotations", "categories"):
        require_rows(content.get(key, []), key, path)
    images = _image_table(content["images"], image_folder, path)
    skeleton = skeleton or _category_skeleton(content, path)
    rows = content["annotations"]
    ids = column(rows, "id", np.int64, path)
    refuse_duplicates(ids, "annotation", path)
    image_index = _image_index(rows, images, path)
    # A stable sort: people of an image keep the order of the file.
    order = np.argsort(image_index, kind="stable")
    rows = [rows[i] for i in order]
    keypoints, visibility = _keypoints(rows, skeleton, path)
    boxes = _boxes(rows, path)
    visibility = _drop_outside(keypoints, visibility, images.sizes[image_index[order]], path)
    counts = column(rows, "num_keypoints", np.int32, path, default=-1)
    people = PersonTable(
        images=images,
        image_index=image_index[order],
        ids=ids[order],
        boxes=boxes,
        crops=np.full((len(rows), 4), np.nan, np.float32),
        scores=np.ones(len(rows), np.float32),
        keypoints=keypoints,
        visibility=visibility,
        areas=_areas(rows, boxes, path),
    )
    return Annotations(
        people=people,
        is_crowd=column(rows, "iscrowd", np.int32, path, default=0) > 0,
        num_keypoints=np.where(counts < 0, (visibility > 0).sum(axis=1), counts).astype(np.int32),
        segmentations=_outlines(rows) if with_segmentation else np.zeros(0, object),
        skeleton=skeleton,
    )


def read_images(path: str | Path, image_folder: str) -> ImageTable:
    """Read the images that an annotation file lists; it need not hold annotations (test sets).

    Raises:
        DataError: the file is missing, not JSON, lacks 'images', or has ids twice.
    """
    content = read_json(path, "annotation", ADVICE)
    if not isinstance(content, dict) or "images" not in content:
        raise DataError(f"{path} must hold 'images', as COCO's files do.")
    return _image_table(content["images"], image_folder, path)


def read_detections(
    path: str | Path, images: ImageTable, num_joints: int, min_score: float
) -> PersonTable:
    """Read a detector file: a list of ``{image_id, category_id, bbox, score}``.

    Boxes are taken as they are, neither cut to the image nor sorted. Detections of other
    categories, of images that are not in ``images``, and below ``min_score`` are left out.

    Raises:
        DataError: missing, not JSON, not such a list, or a box that is not finite or is negative.
    """
    content = read_json(path, "detector", "check TEST.COCO_BBOX_FILE")
    if not isinstance(content, list):
        raise DataError(f"{path} must hold a list of detections, as COCO's result files do.")
    for row in content:
        _check_detection(row, path)
    place = {int(image): index for index, image in enumerate(images.ids)}
    rows = [
        row
        for row in content
        if row["category_id"] == PERSON and row["score"] >= min_score and row["image_id"] in place
    ]
    boxes = _boxes(rows, path)
    empty = boxes[:, 2:].min(axis=1, initial=1) <= 0
    if empty.any():
        logger.warning("%s: %d boxes without area are left out", path, empty.sum())
        rows, boxes = [row for row, e in zip(rows, empty, strict=True) if not e], boxes[~empty]
    if not rows:
        logger.warning(
            "%s: none of its %d rows is a person in the %d images of this set, scored at least %g",
            *(path, len(content), len(images), min_score),
        )
    image_index = np.array([place[row["image_id"]] for row in rows], np.int32)
    order = np.argsort(image_index, kind="stable")
    boxes = boxes[order]
    count = len(rows)
    return PersonTable(
        images=images,
        image_index=image_index[order],
        ids=np.full(count, -1, np.int64),
        boxes=boxes,
        crops=np.full((count, 4), np.nan, np.float32),
        scores=np.array([row["score"] for row in rows], np.float32)[order],
        keypoints=np.zeros((count, num_joints, 2), np.float32),
        visibility=np.zeros((count, num_joints), np.uint8),
        areas=boxes[:, 2] * boxes[:, 3],
    )


def _check_detection(row: Any, path: str | Path) -> None:
    keys = ("image_id", "category_id", "score")
    numbers = isinstance(row, dict) and all(is_number(row.get(key)) for key in keys)
    if not numbers or "bbox" not in row:
        raise DataError(
            f"{path}: a detection must have numbers 'image_id', 'category_id' and 'score', and a "
            f"'bbox', got {row!r:.200}."
        )


def _image_table(rows: list[dict[str, Any]], folder: str, path: str | Path) -> ImageTable:
    ids = column(rows, "id", np.int64, path)
    refuse_duplicates(ids, "image", path)
    names = [_file_name(row, path).encode() for row in rows]
    sizes = np.stack(
        [column(rows, "width", np.int32, path), column(rows, "height", np.int32, path)], axis=1
    ).reshape(-1, 2)
    empty = (sizes <= 0).any(axis=1)
    if empty.any():
        row = rows[int(empty.argmax())]
        raise DataError(
            f"{path}: 'width' and 'height' of image {row['id']} must be above 0, got "
            f"{row['width']} and {row['height']}."
        )
    return ImageTable(folder, np.array(names, np.bytes_), ids, sizes)


def _file_name(row: dict[str, Any], path: str | Path) -> str:
    name = row.get("file_name")
    if not isinstance(name, str) or not name.strip():
        raise DataError(f"{path}: 'file_name' of image {row['id']} must be a name, got {name!r}.")
    return name


def _image_index(rows: list[dict[str, Any]], images: ImageTable, path: str | Path) -> np.ndarray:
    place = {int(image): index for index, image in enumerate(images.ids)}
    wanted = column(rows, "image_id", np.int64, path)
    for row, image in zip(rows, wanted, strict=True):
        if int(image) not in place:
            raise DataError(f"{path}: annotation {row['id']} is of image {image}, not listed.")
    return np.array([place[int(image)] for image in wanted], np.int32)


def _category_skeleton(content: dict[str, Any], path: str | Path) -> Skeleton:
    for category in content.get("categories", ()):
        if category.get("keypoints"):
            return skeleton_from_category(category, str(path))
    raise DataError(f"{path}: no category lists 'keypoints'; set DATASET.SKELETON.")


def _keypoints(
    rows: list[dict[str, Any]], skeleton: Skeleton, path: str | Path
) -> tuple[np.ndarray, np.ndarray]:
    count = skeleton.num_joints
    blank = [0] * (3 * count)
    values = [row.get("keypoints") or blank for row in rows]
    for row, value in zip(rows, values, strict=True):
        if not isinstance(value, list) or not all(isinstance(v, (int, float)) for v in value):
            raise DataError(f"{path}: 'keypoints' of annotation {row['id']} must list numbers.")
        if len(value) != 3 * count:
            raise DataError(
                f"{path}: annotation {row['id']} has {len(value) / 3:g} joints, the skeleton "
                f"'{skeleton.name}' has {count}; set DATASET.SKELETON and MODEL.NUM_JOINTS."
            )
    table = np.array(values, np.float32).reshape(-1, count, 3)
    bad = ~np.isfinite(table).all(axis=(1, 2))
    if bad.any():
        where = rows[int(bad.argmax())]["id"]
        raise DataError(f"{path}: annotation {where} has a joint that is not a finite number.")
    strange = ~np.isin(table[..., 2], (0, 1, 2)).all(axis=1)
    if strange.any():
        where = rows[int(strange.argmax())]["id"]
        raise DataError(f"{path}: annotation {where} has a visibility that is not 0, 1 or 2.")
    visibility = table[..., 2].astype(np.uint8)
    return table[..., :2] * (visibility > 0)[..., None], visibility


def _boxes(rows: list[dict[str, Any]], path: str | Path) -> np.ndarray:
    boxes = np.zeros((len(rows), 4), np.float32)
    for i, row in enumerate(rows):
        box = row.get("bbox", (0, 0, 0, 0))
        try:
            if len(box) != len(boxes[i]):
                raise ValueError
            boxes[i] = box
        except (TypeError, ValueError):
            raise DataError(f"{path}: 'bbox' must be four numbers, got {row!r:.200}.") from None
    bad = ~np.isfinite(boxes).all(axis=1) | (boxes[:, 2:] < 0).any(axis=1)
    if bad.any():
        row = rows[int(bad.argmax())]
        raise DataError(
            f"{path}: box {row['bbox']} of entry {row.get('id', row.get('image_id'))} must be "
            "finite, with width and height of at least 0."
        )
    return boxes


def _areas(rows: list[dict[str, Any]], boxes: np.ndarray, path: str | Path) -> np.ndarray:
    """(N,) annotated areas; a file without them (CrowdPose) gives those of the boxes."""
    areas = np.where(
        ["area" in row for row in rows],
        column(rows, "area", np.float32, path, default=0),
        boxes[:, 2:].prod(axis=1),
    ).astype(np.float32)
    if (areas < 0).any():
        row = rows[int((areas < 0).argmax())]
        raise DataError(
            f"{path}: 'area' of annotation {row['id']} must be at least 0, got {row['area']}."
        )
    return areas


def _drop_outside(
    keypoints: np.ndarray, visibility: np.ndarray, sizes: np.ndarray, path: str | Path
) -> np.ndarray:
    """Mark joints more than a pixel outside their image as not annotated, and say how many."""
    inside = (keypoints >= -1).all(axis=2) & (keypoints <= sizes[:, None]).all(axis=2)
    outside = (visibility > 0) & ~inside
    if outside.any():
        logger.warning("%s: %d joints outside their image are ignored", path, outside.sum())
    return np.where(outside, 0, visibility).astype(np.uint8)


def _outlines(rows: list[dict[str, Any]]) -> np.ndarray:
    """Return JSON bytes per person, decoded only when a mask is made."""
    column = np.empty(len(rows), object)
    for i, row in enumerate(rows):
        outline = row.get("segmentation")
        column[i] = json.dumps(outline).encode() if outline else None
    return column
