"""Maps of crops, or of a network's input, laid where they belong on a picture."""

from __future__ import annotations

import cv2
import numpy as np

from lib.structures.geometry import image_to_crop_affine, invert_affine


def paste_maps(picture: np.ndarray, maps: np.ndarray, crops: np.ndarray, *, unbiased: bool) -> None:
    """Lay the map of each crop on a picture; see `paste`.

    Args:
        picture: (H, W) float32, changed in place.
        maps: (N, h, w), each over all of its crop.
        crops: (N, 4) ``centre x, centre y, width, height`` in the picture's pixels.
        unbiased: whether lengths are measured between pixel centres.
    """
    height, width = maps.shape[1:]
    to_maps = image_to_crop_affine(crops, (width, height), unbiased=unbiased)
    for heat, matrix in zip(maps, invert_affine(to_maps), strict=True):
        paste(picture, heat, matrix)


def paste(picture: np.ndarray, heat: np.ndarray, to_picture: np.ndarray) -> None:
    """Lay a map on a picture, bilinearly; where something lies already, the stronger one stays.

    Args:
        picture: (H, W) float32, changed in place.
        heat: (h, w); values are clipped to [0, 1].
        to_picture: (2, 3) from cells of the map to pixels of the picture, without rotation.
    """
    height, width = picture.shape
    size = np.array(heat.shape[::-1])
    corners = to_picture[:, :2] @ np.stack([[-0.5, -0.5], size - 0.5], axis=1) + to_picture[:, 2:]
    low = np.clip(np.floor(corners[:, 0]), 0, (width, height)).astype(int)
    high = np.clip(np.ceil(corners[:, 1]) + 1, 0, (width, height)).astype(int)
    if (high <= low).any():
        return
    moved = to_picture.copy()
    moved[:, 2] -= low
    region = tuple((high - low).tolist())
    values = np.clip(heat, 0, 1).astype(np.float32)
    laid = cv2.warpAffine(values, moved, region, flags=cv2.INTER_LINEAR)
    part = picture[low[1] : high[1], low[0] : high[0]]
    np.maximum(part, laid, out=part)
