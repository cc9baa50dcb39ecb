"""MPII Human Pose annotations in the family's JSON format (Andriluka et al. 2014)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lib.annotations.reading import ADVICE
from lib.annotations.tables import ImageTable, PersonTable
from lib.utils.errors import DataError
from lib.utils.files import read_json

SCALE_UNIT = 200  # MPII states a person's height in units of 200 pixels
CROP_GROWTH = 1.25
NUM_JOINTS = 16


def read_mpii(path: str | Path, image_folder: str, advice: str = ADVICE) -> PersonTable:
    """Read ``train.json`` or ``valid.json``: one row per person, crops from centre and scale.

    The annotated centre lies on the chest: it moves down by 15 pixels per unit of scale, and the
    crop grows by 1.25, so that limbs stay inside. All coordinates lose one: MPII counts pixels
    from 1. Rows keep the order of the file, which ``gt_valid.mat`` is indexed by.

    Raises:
        DataError: missing, not JSON, or an entry without the keys ``image``, ``center``, ``scale``,
            without a file name, of a scale that is not above 0, or with joints of another shape
            than (16, 2).
    """
    rows = _rows(path, advice)
    count = len(rows)
    centres = np.zeros((count, 2), np.float32)
    scales = np.zeros(count, np.float32)
    for i, row in enumerate(rows):
        centres[i] = _numbers(row["center"], (2,), f"{path}: 'center' of entry {i}")
        scales[i] = _numbers(row["scale"], (), f"{path}: 'scale' of entry {i}")
        if scales[i] <= 0:
            raise DataError(f"{path}: 'scale' of entry {i} must be above 0, got {row['scale']}.")
    known = centres[:, 0] != -1
    centres[known, 1] += 15 * scales[known]
    scales[known] *= CROP_GROWTH
    centres -= 1
    sides = np.repeat(scales[:, None] * SCALE_UNIT, 2, axis=1)
    keypoints, visibility = _joints(rows, path)
    names = [row["image"].encode() for row in rows]
    files, image_index = np.unique(np.array(names, np.bytes_), return_inverse=True)
    images = ImageTable(
        image_folder, files, np.arange(len(files)), np.zeros((len(files), 2), np.int32)
    )
    return PersonTable(
        images=images,
        image_index=image_index.astype(np.int32),
        ids=np.arange(count),
        boxes=np.concatenate([centres - sides / 2, sides], axis=1),
        crops=np.concatenate([centres, sides], axis=1),
        scores=np.ones(count, np.float32),
        keypoints=keypoints,
        visibility=visibility,
        areas=sides.prod(axis=1),
    )


def _rows(path: str | Path, advice: str) -> list[dict]:
    rows = read_json(path, "MPII annotation", advice)
    if not isinstance(rows, list):
        raise DataError(f"{path} must hold a list of people, as the HRNet family's MPII files do.")
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or not {"image", "center", "scale"} <= row.keys():
            raise DataError(f"{path}: entry {number} needs 'image', 'center' and 'scale'.")
        if not isinstance(row["image"], str) or not row["image"].strip():
            raise DataError(
                f"{path}: 'image' of entry {number} must be a file name, got {row['image']!r:.100}."
            )
    return rows


def _joints(rows: list[dict], path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """(N, 16, 2) joints and (N, 16) visibility; zeros where a file (a test set) has none."""
    keypoints = np.zeros((len(rows), NUM_JOINTS, 2), np.float32)
    visibility = np.zeros((len(rows), NUM_JOINTS), np.uint8)
    for i, row in enumerate(rows):
        if "joints" not in row:
            continue
        where = f"of entry {i}"
        joints = _numbers(row["joints"], (NUM_JOINTS, 2), f"{path}: 'joints' {where}")
        seen = _numbers(row.get("joints_vis"), (NUM_JOINTS,), f"{path}: 'joints_vis' {where}")
        visibility[i] = 2 * (seen > 0)
        keypoints[i] = (joints - 1) * (visibility[i] > 0)[:, None]
    return keypoints, visibility


def _numbers(value: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    try:
        numbers = np.array(value, np.float32)
    except (TypeError, ValueError):
        numbers = np.zeros(0)
    if numbers.shape != shape or not np.isfinite(numbers).all():
        size = " x ".join(map(str, shape)) or "one"
        came = " x ".join(map(str, numbers.shape))
        came = f"{came} of them: " if numbers.size and numbers.shape != shape else ""
        raise DataError(f"{what} must be {size} finite number(s), got {came}{value!r:.100}.")
    return numbers
