"""Choosing whom to train on."""

from __future__ import annotations

import logging

import numpy as np

from lib.annotations.form import Annotations
from lib.annotations.tables import PersonTable

logger = logging.getLogger(__name__)


def joints_near_crop_centre(
    crops: np.ndarray, keypoints: np.ndarray, visible: np.ndarray
) -> np.ndarray:
    """Tell who is centred well enough for ``DATASET.SELECT_DATA`` (as released with HRNet).

    The mean of the annotated joints is compared with the crop's centre by a Gaussian of deviation
    0.2 x the root of the crop's area; the more joints there are, the nearer they must be.

    Args:
        crops: (N, 4) ``centre x, centre y, width, height`` in image pixels, padding included.
        keypoints: (N, K, 2) ``(x, y)`` in image pixels.
        visible: (N, K) bool or number; above 0 means annotated.

    Returns:
        (N,) bool; False for people without joints.
    """
    annotated = (visible > 0).astype(np.float64)
    count = annotated.sum(axis=1)
    mean = (keypoints * annotated[..., None]).sum(axis=1) / np.maximum(count, 1)[:, None]
    squared = np.square(mean - crops[:, :2]).sum(axis=1)
    area = np.asarray(crops[:, 2:], np.float64).prod(axis=1)
    closeness = np.exp(-squared / np.maximum(2 * 0.2**2 * area, np.finfo(np.float64).tiny))
    return (count > 0) & (closeness > 0.2 / 16 * (count - 1) + 0.45)


def people_to_train_on(annotations: Annotations) -> PersonTable:
    """Return the people a top-down model sees: no crowds, at least one joint, a box with area.

    Boxes are cut to the image the way the HRNet family does: the right and bottom edges end on
    pixel ``size - 1``, and width and height lose one pixel.
    """
    people = annotations.people
    boxes = clip_boxes(people.boxes, people.images.sizes[people.image_index])
    wanted = ~annotations.is_crowd & (people.visibility > 0).any(axis=1)
    keep = wanted & (boxes[:, 2:] >= 0).all(axis=1) & (people.areas > 0)
    keep &= boxes[:, 2:].max(axis=1, initial=0) > 0
    lost = np.count_nonzero(wanted & ~keep)
    if lost:
        logger.warning("%d people with joints are left out: their boxes have no area", lost)
    table = people.select(keep)
    table.boxes[:] = boxes[keep]
    return table


def clip_boxes(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Cut ``x, y, width, height`` boxes (N, 4) to images of ``sizes`` (N, 2), the family's way."""
    start = np.maximum(boxes[:, :2], 0)
    end = np.minimum(sizes - 1, start + np.maximum(boxes[:, 2:] - 1, 0))
    return np.concatenate([start, end - start], axis=1).astype(np.float32)
