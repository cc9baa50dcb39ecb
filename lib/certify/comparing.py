"""Poses that are the same but for rounding: on another machine sums come in another order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np

from lib.evaluation.coco_files import Rows

JOINT_TOLERANCE = 0.01  # pixels
SCORE_TOLERANCE = 0.0002  # of scores up to 1; of larger ones that share

Poses = dict[Hashable, np.ndarray]  # image -> (N, 3 K + 1): joints and their scores, person score


def poses_by_image(rows: Rows) -> Poses:
    """Return the poses of each image that has any."""
    found: dict[Hashable, list[list[float]]] = defaultdict(list)
    for row in rows:
        found[row["image_id"]].append([*row["keypoints"], row["score"]])
    return {image: np.array(poses, np.float64) for image, poses in found.items()}


def differing(images: Iterable[Any], claimed: Poses, found: Poses) -> list[Any]:
    """Return the images whose poses differ by more than the tolerance, or in number."""
    return [image for image in images if not same_poses(claimed.get(image), found.get(image))]


def same_poses(first: np.ndarray | None, second: np.ndarray | None) -> bool:
    """Return whether two images' poses are the same but for rounding, in any order.

    Args:
        first: (N, 3 K + 1) as in ``Poses``; None for no pose.
        second: likewise.
    """
    if first is None or second is None:
        return first is second
    if first.shape != second.shape:
        return False
    equal = _within(first[:, None], second[None])
    free = np.ones(len(second), bool)
    for options in equal:  # poses within the tolerance of two others are equal to both
        chosen = int(np.argmax(options & free))
        if not (options & free)[chosen]:
            return False
        free[chosen] = False
    return True


def _within(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return whether (..., 3 K + 1) numbers are all within the tolerance."""
    apart = np.abs(first - second)
    limits = SCORE_TOLERANCE * np.maximum(1.0, np.abs(first))
    joints = np.arange(first.shape[-1] - 1) % 3 < 2
    limits[..., :-1][..., joints] = JOINT_TOLERANCE
    return np.asarray((apart <= limits).all(axis=-1))
