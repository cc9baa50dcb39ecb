"""A simulated person detector: boxes that jitter, miss, repeat themselves and see ghosts."""

from __future__ import annotations

from typing import Any

import numpy as np

from lib.datasets.synthetic.scene import CROWD_LABEL, Scene
from lib.datasets.synthetic.truth import Truth, mask_box

GHOST_RATE = 1.5  # false boxes per image
REPEAT_SHARE = 0.08  # people found twice
SMALL = 32.0  # side of a box that is hard to find, in pixels


def detect(
    rng: np.random.Generator, scene: Scene, truths: list[Truth], image_id: int
) -> list[dict[str, Any]]:
    """Return detector boxes of one image, in the lineage's layout, best score first.

    Each is ``{"image_id", "category_id": 1, "bbox": [x, y, width, height], "score"}``.
    """
    size = np.array(scene.labels.shape[::-1], float)
    boxes: list[tuple[float, np.ndarray]] = []
    for truth in truths:
        box = np.array(truth.box, float)
        ease = float(np.clip(np.sqrt(box[2] * box[3]) / SMALL - 0.3, 0.0, 1.0))
        for _ in range(1 + (rng.random() < REPEAT_SHARE)):
            if rng.random() < 0.15 + 0.8 * ease:
                boxes.append(_found(rng, box, ease))
    crowd = scene.labels == CROWD_LABEL
    if crowd.any() and rng.random() < 0.5:
        boxes.append(_found(rng, np.array(mask_box(crowd), float), 0.4))
    boxes += [_ghost(rng, size) for _ in range(rng.poisson(GHOST_RATE))]
    boxes.sort(key=lambda entry: -entry[0])
    return [
        {
            "image_id": image_id,
            "category_id": 1,
            "bbox": [round(float(value), 2) for value in _clip(box, size)],
            "score": round(score, 4),
        }
        for score, box in boxes
    ]


def _found(rng: np.random.Generator, box: np.ndarray, ease: float) -> tuple[float, np.ndarray]:
    """Jitter a true box; the worse it fits, the lower its score tends to be."""
    looseness = rng.gamma(2.0, 0.034)
    jitter = rng.normal(0, looseness, 4) * np.tile(box[2:], 2)
    corners = np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]]) + jitter
    moved = np.concatenate([corners[:2], np.maximum(corners[2:] - corners[:2], 2.0)])
    score = 1.0 / (1.0 + np.exp(-(1.2 + 2.2 * ease - 14.0 * looseness + rng.normal(0, 0.8))))
    return float(score), moved


def _ghost(rng: np.random.Generator, size: np.ndarray) -> tuple[float, np.ndarray]:
    height = size[1] * rng.uniform(0.1, 0.8)
    width = height * rng.uniform(0.3, 0.9)
    corner = rng.random(2) * np.maximum(size - (width, height), 1.0)
    score = float(rng.beta(1.3, 6.0))
    return max(score, 0.01), np.array([corner[0], corner[1], width, height])


def _clip(box: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Cut ``(x, y, width, height)`` to the image, keeping at least one pixel."""
    corner = np.clip(box[:2], 0, size - 2)
    far = np.clip(box[:2] + box[2:], corner + 1, size)
    return np.concatenate([corner, far - corner])
