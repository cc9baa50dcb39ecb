"""Choosing whom to train on."""

from __future__ import annotations

import numpy as np


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
