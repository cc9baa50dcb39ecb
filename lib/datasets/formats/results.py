"""Predictions as labels to be corrected: COCO result files, and those of ``tools/predict.py``.

A joint below the least confidence is not labelled; the others are visible. Pictures are those of
the annotation file that is given (``--truth``), else those whose names the rows say.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lib.annotations.reading import ReadOptions, read_annotations
from lib.datasets.formats import coco
from lib.datasets.formats.labels import Entry, RawLabels, ReadSettings
from lib.datasets.formats.pictures import picture_folder, places_near
from lib.structures.skeleton import Skeleton, load_skeleton
from lib.utils.errors import ConfigError, DataError
from lib.utils.files import read_json

MARGIN = 0.1  # of the joints' extent, around a person without a box
UNNAMED = {17: "coco", 14: "crowdpose", 26: "halpe26", 133: "wholebody"}


def read(path: Path, settings: ReadSettings) -> RawLabels:
    """Read a result file.

    Raises:
        DataError: it is damaged, or of other pictures or joints than the annotation file.
        ConfigError: nothing names the pictures or the joints.
    """
    rows = read_json(path, "result", "check the path")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path} must be a list of results, as COCO's result files are.")
    triples = [_triples(row, n, path) for n, row in enumerate(rows)]
    if settings.truth:
        return _with_truth(path, rows, triples, settings)
    names = [row.get("file_name") for row in rows]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ConfigError(
            f"{path} does not name its pictures: give the annotations that list them (--truth)."
        )
    skeleton = settings.skeleton or _unnamed(triples, path)
    ids = {row["file_name"]: row.get("image_id") for row in rows}
    images: list[Entry] = [{"id": own, "file_name": name} for name, own in ids.items()]
    folder = picture_folder(list(ids), settings.images, places_near(path), path)
    category: Entry = {"id": 1, "name": "person", "keypoints": list(skeleton.joints)}
    people = _people(
        rows, triples, {row: rows[row].get("image_id") for row in range(len(rows))}, 1, settings
    )
    content = {"images": images, "annotations": people, "categories": [category]}
    return RawLabels("results", path, content, folder, (), skeleton)


def _with_truth(
    path: Path, rows: list[Entry], triples: list[np.ndarray], settings: ReadSettings
) -> RawLabels:
    from lib.annotations.matching import PictureKeys, match_pictures

    file = Path(settings.truth)
    raw = coco.read(file, settings)
    options = ReadOptions(category=settings.category, for_scores=True, name=str(file))
    truth = read_annotations(raw.content, "", settings.skeleton or raw.skeleton, options)
    keys = [row.get("image_id") for row in rows]
    places = match_pictures(keys, PictureKeys.of(truth.images), str(path), f"{file}")
    wanted = {n: truth.images.label(int(place)) for n, place in enumerate(places) if place >= 0}
    joints = truth.skeleton.num_joints
    if any(len(triples[n]) != joints for n in wanted):
        raise DataError(f"{path} has other joints than {file}, which has {joints}.")
    people = _people(rows, triples, wanted, truth.category.id, settings)
    content = {**raw.content, "annotations": people}
    return RawLabels("results", path, content, raw.folder, (), raw.skeleton)


def _triples(row: Entry, number: int, path: Path) -> np.ndarray:
    """Return (K, 3) ``x, y, confidence``.

    Raises:
        DataError: the row has no such numbers.
    """
    flat = row.get("keypoints")
    flat = flat if isinstance(flat, list) else []
    if (
        len(flat) % 3
        or not flat
        or not all(isinstance(v, int | float) and np.isfinite(v) for v in flat)
    ):
        raise DataError(
            f"{path}: 'keypoints' of result {number} must list x, y, score of the joints."
        )
    if not isinstance(row.get("score", 1.0), int | float):
        raise DataError(
            f"{path}: 'score' of result {number} must be a number: {row['score']!r:.40}."
        )
    return np.array(flat, np.float64).reshape(-1, 3)


def _unnamed(triples: list[np.ndarray], path: Path) -> Skeleton:
    counts = {len(joints) for joints in triples}
    if len(counts) != 1 or not counts <= UNNAMED.keys():
        raise ConfigError(
            f"{path} has {', '.join(map(str, sorted(counts)))} joints without names: name them by "
            "--skeleton."
        )
    return load_skeleton(UNNAMED[counts.pop()])


def _people(
    rows: list[Entry],
    triples: list[np.ndarray],
    images: dict[int, Any],
    category: Any,
    settings: ReadSettings,
) -> list[Entry]:
    """Return annotations of the rows that are sure enough; ``images`` are ids by row."""
    people = []
    for n, image in images.items():
        score = float(rows[n].get("score", 1.0))
        joints = triples[n].copy()
        sure = joints[:, 2] >= settings.joint_score
        if score < settings.pose_score or not sure.any():
            continue
        points = joints[sure, :2]
        joints[:, 2] = 2
        joints[~sure] = 0
        sides = np.maximum(np.ptp(points, axis=0), 1)
        low = points.min(axis=0) - MARGIN * sides
        box = rows[n].get("bbox") or [*low.tolist(), *((1 + 2 * MARGIN) * sides).tolist()]
        person = {"id": len(people) + 1, "image_id": image, "category_id": category, "bbox": box}
        people.append(person | {"score": score, "iscrowd": 0, "keypoints": joints.ravel().tolist()})
    return people
