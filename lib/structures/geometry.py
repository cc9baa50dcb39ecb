"""Boxes, crops and the affine maps between an image and a network input (NumPy, N at once).

A crop is ``(centre x, centre y, width, height)`` in image pixels, the region a top-down network is
shown. Pixel ``i`` is centred on coordinate ``i``. Two families of maps:

- lineage (Xiao et al. 2018, Simple Baselines): the crop centre falls on ``size / 2`` and one zoom,
  output width / crop width, serves both axes;
- unbiased (Huang et al. 2020, "The Devil Is in the Details", UDP): lengths are measured between
  pixel centres, so the centre falls on ``(size - 1) / 2`` and the zoom of an axis is
  (output - 1) / crop. Only this one commutes with mirroring.
"""

from __future__ import annotations

import math

import numpy as np

CROP_PADDING = 1.25  # of a box, in every published recipe

Size = tuple[int, int]
Pair = tuple[np.ndarray, np.ndarray]  # x and y, or width and height, (N,) each
Turn = tuple[np.ndarray, np.ndarray, np.ndarray]  # cosine, sine, -1 if mirrored else 1
Linear = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # row-major 2 x 2


def xywh_to_xyxy(boxes: np.ndarray) -> np.ndarray:
    """Turn (..., 4) ``x, y, width, height`` into ``x1, y1, x2, y2``."""
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def xyxy_to_xywh(boxes: np.ndarray) -> np.ndarray:
    """Turn (..., 4) ``x1, y1, x2, y2`` into ``x, y, width, height``."""
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1)


def box_to_crop(
    boxes: np.ndarray, aspect_ratio: float, padding: float = CROP_PADDING
) -> np.ndarray:
    """Grow boxes about their centre to ``aspect_ratio`` and then by ``padding``.

    Args:
        boxes: (N, 4) ``x, y, width, height`` in image pixels.
        aspect_ratio: width / height of the network input.
        padding: factor on both lengths; 1.5 for half bodies.

    Returns:
        (N, 4) float32 crops ``centre x, centre y, width, height`` in image pixels.
    """
    boxes = np.asarray(boxes, np.float64)
    width = np.maximum(boxes[:, 2], boxes[:, 3] * aspect_ratio)
    height = np.maximum(boxes[:, 3], boxes[:, 2] / aspect_ratio)
    size = np.stack([width, height], axis=1) * padding
    return np.concatenate([boxes[:, :2] + boxes[:, 2:] / 2, size], axis=1).astype(np.float32)


def image_to_crop_affine(
    crops: np.ndarray,
    output_size: Size,
    rotation: np.ndarray | float = 0.0,
    *,
    flip: np.ndarray | bool = False,
    shift: tuple[float, float] = (0.0, 0.0),
    unbiased: bool = False,
) -> np.ndarray:
    """Return the (N, 2, 3) float64 matrices that take image pixels to output pixels.

    Args:
        crops: (N, 4) ``centre x, centre y, width, height`` in image pixels.
        output_size: ``(width, height)`` of the output in pixels.
        rotation: (N,) or scalar degrees; the crop frame turns clockwise on the screen, so the
            picture in it turns anticlockwise.
        flip: (N,) or scalar; mirror the image about the crop centre before turning. Joints must
            then be swapped left for right as well.
        shift: move the crop by this fraction of its ``(width, height)``.
        unbiased: use the unbiased map (module docstring) instead of the lineage's.
    """
    crops = np.asarray(crops, np.float64).reshape(-1, 4)
    # By math, whose last bit is the same on every processor.
    angles = [math.radians(degrees) for degrees in _each(rotation, crops).tolist()]
    cos = np.array([math.cos(angle) for angle in angles])
    sin = np.array([math.sin(angle) for angle in angles])
    turn = cos, sin, np.where(_each(flip, crops), -1.0, 1.0)
    find = _unbiased_affine if unbiased else _three_point_affine
    with np.errstate(all="ignore"):  # empty crops have no map
        centre = crops[:, 0] + crops[:, 2] * shift[0], crops[:, 1] + crops[:, 3] * shift[1]
        return find(centre, (crops[:, 2], crops[:, 3]), turn, output_size)


def invert_affine(matrices: np.ndarray) -> np.ndarray:
    """Return the (..., 2, 3) inverses of (..., 2, 3) affine maps."""
    a, b, c, d = (matrices[..., i, j] for i in (0, 1) for j in (0, 1))
    adjugate = np.stack([d, -b, -c, a], axis=-1).reshape(*a.shape, 2, 2)
    linear = adjugate / (a * d - b * c)[..., None, None]
    return np.concatenate([linear, -linear @ matrices[..., 2:]], axis=-1)


def apply_affine(matrices: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map (N, K, 2) points ``(x, y)`` by (N, 2, 3) matrices, or (K, 2) by one (2, 3)."""
    return points @ np.swapaxes(matrices[..., :2], -1, -2) + matrices[..., None, :, 2]


def _each(value: np.ndarray | float, crops: np.ndarray) -> np.ndarray:
    """Return one value per crop from (N,) or a scalar."""
    return np.broadcast_to(value, len(crops))


def _three_point_affine(centre: Pair, extent: Pair, turn: Turn, size: Size) -> np.ndarray:
    """Solve the maps from centre, top and left points of the crops to those of the output.

    The points are rounded to float32 as published: without it matrices differ by up to 1e-3 px.
    """
    cos, sin, sign = turn
    arm = extent[0] / 2
    x, y = centre[0].astype(np.float32), centre[1].astype(np.float32)
    top_x = (centre[0] + sign * sin * arm).astype(np.float32)
    top_y = (centre[1] - cos * arm).astype(np.float32)
    mirror = sign.astype(np.float32)
    left_x, left_y = top_x + mirror * (top_y - y), top_y - mirror * (top_x - x)
    x, y, top_x, top_y, left_x, left_y = (
        values.astype(np.float64) for values in (x, y, top_x, top_y, left_x, left_y)
    )
    up_x, up_y, left_x, left_y = top_x - x, top_y - y, left_x - x, left_y - y
    # In the output these arms are (0, -half) and (-half, -half): solve the linear part for them.
    half = size[0] / 2
    scale = _ratio(half, up_x * left_y - up_y * left_x)
    linear = (scale * up_y, -scale * up_x, scale * (up_y - left_y), scale * (left_x - up_x))
    return _anchored(linear, (x, y), (half, size[1] / 2))


def _unbiased_affine(centre: Pair, extent: Pair, turn: Turn, size: Size) -> np.ndarray:
    """Turn about the crop centre, then zoom each axis between outermost pixel centres."""
    cos, sin, sign = turn
    across, down = _ratio(size[0] - 1, extent[0]), _ratio(size[1] - 1, extent[1])
    linear = (across * sign * cos, across * sin, -down * sign * sin, down * cos)
    return _anchored(linear, centre, ((size[0] - 1) / 2, (size[1] - 1) / 2))


def _ratio(length: float, divisors: np.ndarray) -> np.ndarray:
    """Divide; an empty crop is infinitely enlarged, whatever the sign of its zero."""
    return np.where(divisors == 0, math.inf, length / divisors)


def _anchored(linear: Linear, source: Pair, target: tuple[float, float]) -> np.ndarray:
    """Return the (N, 2, 3) maps of ``linear`` part that take ``source`` to ``target``."""
    a, b, c, d = linear
    x, y = source
    rows = a, b, target[0] - (a * x + b * y), c, d, target[1] - (c * x + d * y)
    return np.stack(rows, axis=-1).reshape(-1, 2, 3)
