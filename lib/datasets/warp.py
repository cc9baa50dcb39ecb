"""Cutting regions out of an image by an affine map, as fast as OpenCV can."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import cv2
import numpy as np

from lib.structures.geometry import Size
from lib.utils.image_parts import REDUCTIONS, Need

Window = tuple[int, int, int, int]  # left, top, right, bottom; the latter two not included

_FAR = 1 << 30  # rows: more than any picture has
FOUR_CHANNELS_UP_TO = 3  # pixels read per pixel written, in a loader whose caches decoding filled


def warp_crop(
    image: np.ndarray, matrix: np.ndarray, size: Size, out: np.ndarray | None = None
) -> np.ndarray:
    """Resample an image by an affine map, bilinearly, black outside.

    Args:
        image: (h, w, 3) uint8; or (h, w, 4), of which three channels are wanted.
        matrix: (2, 3) from image pixels to output pixels; one with NaN or infinity gives black.
        size: ``(width, height)`` of the output.
        out: (H, W, 3) uint8 to write to; contiguous.
    """
    if out is None:
        out = np.empty((size[1], size[0], *(3,) * (image.ndim - 2)), image.dtype)
    (a, b, _), (c, d, _) = matrix.tolist()
    few = abs(a * d - b * c) * FOUR_CHANNELS_UP_TO < 1  # known without a look at the window
    if few and image.shape[2:] != (4,):
        _warp(image, matrix, out)
    else:
        warp_crops(image, matrix[None], size, out[None])
    return out


def warp_crops(image: np.ndarray, matrices: np.ndarray, size: Size, out: np.ndarray) -> None:
    """Resample an image by several affine maps, see `warp_crop`.

    Args:
        image: (h, w, 3) or (h, w, 4) uint8.
        matrices: (N, 2, 3) from image pixels to output pixels.
        size: ``(width, height)`` of the outputs.
        out: (N, H, W, 3) uint8 to write to; each output contiguous.
    """
    if image.shape[2:] == (4,):
        _warp_four_channels(image, matrices, out)
        return
    if image.shape[2:] == (3,) and image.dtype == np.uint8:
        source = image.shape[1], image.shape[0]
        windows = [_source_window(matrix, size, source) for matrix in matrices]
        window, limit = _union(windows), FOUR_CHANNELS_UP_TO * size[0] * size[1]
        apart = sum(min(_area(one), limit) for one in windows)
        if 0 < _area(window) <= apart:
            _warp_four_channels(_with_fourth(image, window), matrices, out)
            return
        if len(matrices) > 1:  # far from each other, or small parts of a large image
            for matrix, target in zip(matrices, out, strict=True):
                warp_crops(image, matrix[None], size, target[None])
            return
    for matrix, target in zip(matrices, out, strict=True):
        _warp(image, matrix, target)


def _warp(image: np.ndarray, matrix: np.ndarray, out: np.ndarray) -> None:
    """Resample an image by OpenCV; black where the map is not finite, as that of an empty crop."""
    if all(map(math.isfinite, matrix.ravel().tolist())):
        cv2.warpAffine(image, matrix, out.shape[1::-1], dst=out, flags=cv2.INTER_LINEAR)
    else:
        out.fill(0)  # OpenCV up to 4.12 takes pixels from anywhere


def _with_fourth(image: np.ndarray, window: Window) -> np.ndarray:
    """Return an image with a fourth channel; what lies outside the window is not even set."""
    left, top, right, bottom = window
    four = _SCRATCH.array(0, *image.shape[:2])
    part = four[top:bottom, left:right]
    cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_BGR2BGRA, dst=part)
    return four


def _warp_four_channels(four: np.ndarray, matrices: np.ndarray, out: np.ndarray) -> None:
    """Warp by way of four channels, which OpenCV does twice as fast as three, to the same bytes."""
    warped = _SCRATCH.array(1, *out.shape[1:3])
    for matrix, target in zip(matrices, out, strict=True):
        _warp(four, matrix, warped)
        cv2.cvtColor(warped, cv2.COLOR_BGRA2BGR, dst=target)


class _Scratch(threading.local):
    """Two four-channel pictures per thread, kept: the system clears memory it hands out anew."""

    def __init__(self) -> None:
        self.memory = [np.empty(0, np.uint8)] * 2

    def array(self, which: int, height: int, width: int) -> np.ndarray:
        """Return an unset (height, width, 4) uint8 array; valid until the next call."""
        count = height * width * 4
        if self.memory[which].size < count:
            self.memory[which] = np.empty(count, np.uint8)
        return self.memory[which][:count].reshape(height, width, 4)


_SCRATCH = _Scratch()


class Needs:
    """What the warps of several crops need of their images.

    Args:
        matrices: (N, 2, 3) from image pixels to output pixels.
        size: ``(width, height)`` of the outputs.
        reduced: images may be decoded at a half to an eighth of their size, as long as they have a
            pixel for every one of the output.
    """

    def __init__(self, matrices: np.ndarray, size: Size, *, reduced: bool = False) -> None:
        self.rows = rows_needed(matrices, size)
        self.steps = largest_steps(matrices) if reduced else np.ones_like(self.rows)

    def of(self, crops: Sequence[int] | np.ndarray) -> Need:
        """Return what those crops need that are of one image."""
        return Need(int(self.rows[crops].max()), int(self.steps[crops].min()))


def rows_needed(matrices: np.ndarray, size: Size) -> np.ndarray:
    """Return (N,) how many rows from the top of an image warps by (N, 2, 3) maps can read.

    Maps that are not finite count as reading all of it.
    """
    a, b, e = matrices[:, 0].T
    c, d, f = matrices[:, 1].T
    with np.errstate(all="ignore"):
        scale = a * d - b * c
        across, down = -c / scale * size[0], a / scale * size[1]
        lowest = (c * e - a * f) / scale + np.maximum(across, 0) + np.maximum(down, 0)
    lowest = np.where(np.isfinite(lowest), lowest, _FAR)
    return (np.clip(lowest, 0, _FAR) + 3).astype(np.int64)  # margin as in _source_window


def largest_steps(matrices: np.ndarray) -> np.ndarray:
    """Return (N,) how many image pixels, 1, 2, 4 or 8, fit into one of (N, 2, 3) maps' outputs."""
    zoom = np.hypot(matrices[:, 0, :2], matrices[:, 1, :2]).max(axis=1)  # of either image axis
    return np.max([np.where(zoom * step <= 1, step, 1) for step in REDUCTIONS], axis=0)


def _area(window: Window) -> int:
    left, top, right, bottom = window
    return (right - left) * (bottom - top)


def _union(windows: list[Window]) -> Window:
    """Return the smallest window around those that hold anything."""
    columns = list(zip(*filter(_area, windows), strict=True)) or [(0,)] * 4
    left, top, right, bottom = columns
    return min(left), min(top), max(right), max(bottom)


def _source_window(matrix: np.ndarray, size: Size, source: Size) -> Window:
    """Return ``left, top, right, bottom`` of the pixels that a warp to ``size`` can read."""
    (a, b, e), (c, d, f) = matrix.tolist()
    scale = a * d - b * c
    if not 0 < abs(scale) < math.inf:  # nor NaN: the map of an empty crop
        return 0, 0, *source
    edges = []
    # x = (d u - b v) / scale + ..., y = (a v - c u) / scale + ...; extremes lie at the corners.
    for (along, across), offset, length in (
        ((d / scale, -b / scale), (b * f - d * e) / scale, source[0]),
        ((-c / scale, a / scale), (c * e - a * f) / scale, source[1]),
    ):
        ends = [along * size[0], across * size[1]]
        low = offset + sum(end for end in ends if end < 0)
        high = offset + sum(end for end in ends if end > 0)
        if not (math.isfinite(low) and math.isfinite(high)):
            return 0, 0, *source
        # Two pixels of margin: a neighbour to interpolate with, and one for rounding.
        edges.append((min(max(int(low) - 2, 0), length), min(max(int(high) + 3, 0), length)))
    (left, right), (top, bottom) = edges
    return left, top, right, bottom
