"""Made-up inputs of the stages that need no images, deterministic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lib.annotations.tables import PersonTable

BOXES_PER_IMAGE = 10


def blob_maps(count: int, joints: int, size: tuple[int, int]) -> np.ndarray:
    """Return (count, joints, H, W) float32 maps, a peak of random place and height in each."""
    rng = np.random.default_rng(0)
    width, height = size
    centre = rng.uniform(0, 1, (count, joints, 2)) * size
    columns = np.exp(-((np.arange(width) - centre[..., :1]) ** 2) / 8)
    rows = np.exp(-((np.arange(height) - centre[..., 1:]) ** 2) / 8)
    peaks = rng.uniform(0.1, 1, (count, joints, 1, 1)) * rows[..., None] * columns[..., None, :]
    return (peaks + rng.normal(0, 0.01, peaks.shape)).astype(np.float32)


def random_crops(count: int) -> np.ndarray:
    """Return (count, 4) float32 ``centre x, centre y, width, height``."""
    rng = np.random.default_rng(0)
    height = rng.uniform(80, 400, (count, 1))
    centre = rng.uniform(100, 500, (count, 2))
    return np.concatenate([centre, 0.75 * height, height], axis=1).astype(np.float32)


def crowd(people: PersonTable, images: int) -> PersonTable:
    """Return ten shaken boxes on each of the first ``images`` images that have people."""
    rng = np.random.default_rng(0)
    chosen = np.unique(people.image_index)[:images]
    rows = np.concatenate(
        [
            np.resize(np.flatnonzero(people.image_index == image), BOXES_PER_IMAGE)
            for image in chosen
        ]
    )
    table = people.select(rows)
    shake = rng.normal(0, 0.05, (len(rows), 4)) * np.tile(table.boxes[:, 2:], 2)
    return replace(table, boxes=(table.boxes + shake).astype(np.float32))


def many_poses(images: int, joints: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return image ids (N,), joints (N, K, 2), scores (N,) and areas (N,): many duplicates.

    Each image has 5 to 25 poses of six people.
    """
    rng = np.random.default_rng(0)
    counts = rng.integers(5, 26, images)
    ids = np.repeat(np.arange(images), counts)
    person = rng.integers(0, 6, len(ids))  # which of six people of its image a pose shows
    people = rng.uniform(0, 400, (images, 6, 1, 2)) + rng.uniform(0, 120, (images, 6, joints, 2))
    shake = rng.normal(0, rng.choice([2, 15], len(ids))[:, None, None], (len(ids), joints, 2))
    poses = (people[ids, person] + shake).astype(np.float32)
    return ids, poses, rng.random(len(ids)), rng.uniform(4000, 20000, len(ids))


def scored_dataset(dataset: dict[str, Any], images: int) -> tuple[dict[str, Any], list[dict]]:
    """Return a COCO data set of ``images`` images, repeated as needed, and results for it.

    Every annotated person is found three times, well, roughly and badly.
    """
    rng = np.random.default_rng(0)
    by_image: dict[int, list[dict]] = {}
    for row in dataset["annotations"]:
        by_image.setdefault(row["image_id"], []).append(row)
    copies, annotations, results = [], [], []
    for number in range(images):
        image = dataset["images"][number % len(dataset["images"])]
        copies.append({**image, "id": number + 1})
        for row in by_image.get(image["id"], []):
            copy = {**row, "id": len(annotations) + 1, "image_id": number + 1}
            annotations.append(copy)
            results += [_found(rng, copy, share) for share in (0.02, 0.06, 0.15)]
    return {**dataset, "images": copies, "annotations": annotations}, results


def _found(rng: np.random.Generator, row: dict[str, Any], share: float) -> dict[str, Any]:
    """Return a result near an annotation, off by ``share`` of the person's size."""
    triples = np.array(row["keypoints"], np.float64).reshape(-1, 3)
    triples[:, :2] += rng.normal(0, share * max(row["area"], 1) ** 0.5, (len(triples), 2))
    triples[:, 2] = rng.random(len(triples))
    return {
        "image_id": row["image_id"],
        "category_id": row["category_id"],
        "keypoints": triples.ravel().tolist(),
        "score": float(rng.random() * (1 - share)),
    }
