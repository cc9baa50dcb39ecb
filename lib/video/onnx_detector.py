"""Person detectors of others as ONNX files, told apart by what they put out.

* One table (1, N, 5 + classes) with N cells of strides 8, 16, 32: YOLOX (Ge et al. 2021). Its
  boxes count from their cells unless the file decodes them, which their size shows.
* ``dets`` (1, N, 5) with ``labels`` (1, N): detectors with suppression inside (RTMDet, mmdeploy).
* One table (1, N, 6): ``x1, y1, x2, y2, score, label``.
* ``boxes`` (N, 4), integer ``labels`` (N,), ``scores`` (N,): torchvision's, where people are 1.

Pictures are fitted into the upper left corner of the input, on grey 114. Files do not say how they
want their pixels, so the first pictures with people are shown in each usual way, and the one in
which the detector is surest of people stays.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from lib.export.onnx_network import OnnxNetwork
from lib.utils.errors import WeightsError

if TYPE_CHECKING:
    from lib.video.sources import Frame

logger = logging.getLogger(__name__)

GREY = 114
FREE_SIDE = 640  # for files that take any size
OVERLAP = 0.65  # IoU above which the surer of two boxes stays, for files without suppression
LEAST = 0.01  # scores below are nobody
SURE = 0.5  # sum of scores in a picture that shows people
BETTER = 1.2  # how much surer another kind of pixels must make the detector
_MEAN = np.array([123.675, 116.28, 103.53], np.float32)  # ImageNet's, red, green, blue
_STD = np.array([58.395, 57.12, 57.375], np.float32)
# Kinds of pixels, from (H, W, 3) float32 blue-green-red in 0..255; the likeliest first.
PIXELS = {
    "BGR, 0 to 255": lambda image: image,
    "BGR, normalised": lambda image: (image - _MEAN[::-1]) / _STD[::-1],
    "RGB, 0 to 1": lambda image: image[..., ::-1] / 255,
    "RGB, normalised": lambda image: (image[..., ::-1] - _MEAN) / _STD,
}


class OnnxDetector:
    """A detector file as a source of boxes.

    Raises:
        WeightsError: the file cannot be run, or has outputs of another format.
        ConfigError: onnxruntime is not installed.
    """

    def __init__(self, path: str | Path, min_score: float) -> None:
        self._network = OnnxNetwork(path, threads=torch.get_num_threads())
        self._path = path
        self._min_score = min_score
        height, width = self._network.input_shape[2:]
        self._size = tuple(n if isinstance(n, int) else FREE_SIDE for n in (width, height))
        self._pixels = ""  # a key of PIXELS, once known

    def find(self, frames: Sequence[Frame]) -> list[np.ndarray]:
        """Return per frame (N, 5) float32 ``x1, y1, x2, y2, score`` in pixels."""
        return [self._find(frame.image) for frame in frames]

    def _find(self, image: np.ndarray) -> np.ndarray:
        canvas, ratio = fit(image, self._size)
        people = self._people(canvas, self._pixels) if self._pixels else self._try_all(canvas)
        people[:, :4] = (people[:, :4] / ratio).clip(0, [*image.shape[1::-1]] * 2)
        return people[people[:, 4] >= self._min_score]

    def _try_all(self, canvas: np.ndarray) -> np.ndarray:
        """Return people, and settle on a kind of pixels if there are any."""
        found = {kind: self._people(canvas, kind) for kind in PIXELS}
        sums = {kind: float(people[:, 4].sum()) for kind, people in found.items()}
        first, best = next(iter(PIXELS)), max(sums, key=sums.__getitem__)
        chosen = best if sums[best] > BETTER * sums[first] else first
        if sums[chosen] >= SURE:
            self._pixels = chosen
            logger.info("%s: pixels are %s", self._path, chosen)
        return found[chosen]

    def _people(self, canvas: np.ndarray, kind: str) -> np.ndarray:
        """Return (N, 5) of the canvas's people, with any score, in pixels of the canvas."""
        pixels = np.ascontiguousarray(PIXELS[kind](canvas).transpose(2, 0, 1)[None], np.float32)
        outputs = self._network(torch.from_numpy(pixels))
        tables = [outputs] if isinstance(outputs, torch.Tensor) else outputs
        people = read_outputs([table.numpy() for table in tables], self._size)
        if people is None:
            shapes = ", ".join(str(tuple(table.shape)) for table in tables)
            raise WeightsError(
                f"{self._path} gives {shapes}, which is not a known layout of detectors: "
                "YOLOX (1, N, 5 + classes), or boxes with scores: (1, N, 5) and labels (1, N); "
                "(1, N, 6); (N, 4), labels (N,) and scores (N,)."
            )
        return people


def fit(image: np.ndarray, size: tuple[int, ...]) -> tuple[np.ndarray, float]:
    """Return (H, W, 3) float32 with the image in its upper left corner, and the scale it got."""
    width, height = size
    ratio = min(width / image.shape[1], height / image.shape[0])
    inner = (max(1, round(image.shape[1] * ratio)), max(1, round(image.shape[0] * ratio)))
    canvas = np.full((height, width, 3), GREY, np.float32)
    canvas[: inner[1], : inner[0]] = cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR)
    return canvas, ratio


def read_outputs(tables: Sequence[np.ndarray], size: tuple[int, ...]) -> np.ndarray | None:
    """Return the people (N, 5) float32 ``x1, y1, x2, y2, score`` in a detector's outputs.

    Args:
        tables: all outputs for one image.
        size: ``(width, height)`` of the input.

    Returns:
        None where the outputs have no known format.
    """
    labels = [t.reshape(-1) for t in tables if np.issubdtype(t.dtype, np.integer)]
    floats = [t[0] if t.ndim == 3 else t for t in tables if np.issubdtype(t.dtype, np.floating)]
    widths = sorted(t.shape[-1] if t.ndim == 2 else 1 for t in floats)
    if len(floats) == 1 and not labels:
        return _of_one_table(floats[0], size)
    if len(labels) != 1:
        return None
    if widths == [5] and len(labels[0]) == len(floats[0]):
        return floats[0][labels[0] == 0].astype(np.float32)
    scores = [t.reshape(-1) for t in floats if t.size == len(labels[0])]
    boxes = [t for t in floats if t.ndim == 2 and t.shape == (len(labels[0]), 4)]
    if len(floats) != 2 or len(scores) != 1 or len(boxes) != 1:
        return None
    table = np.concatenate([boxes[0], scores[0][:, None]], axis=1)
    return table[labels[0] == 1].astype(np.float32)


def _of_one_table(table: np.ndarray, size: tuple[int, ...]) -> np.ndarray | None:
    if table.ndim != 2 or table.shape[1] < 6:
        return None
    cells = _cells(size, len(table))
    if cells is not None:
        return _of_cells(table, cells, size)
    if table.shape[1] != 6:
        return None
    return table[table[:, 5] == 0][:, :5].astype(np.float32)


def _cells(size: tuple[int, ...], count: int) -> np.ndarray | None:
    """Return ``x, y, stride`` (N, 3) of the cells of a pyramid with so many of them."""
    for strides in ((8, 16, 32), (8, 16, 32, 64)):
        parts = []
        for stride in strides:
            y, x = np.indices((size[1] // stride, size[0] // stride)).reshape(2, -1)
            parts.append(np.stack([x, y, np.full(x.shape, stride)], axis=1))
        cells = np.concatenate(parts).astype(np.float32)
        if len(cells) == count:
            return cells
    return None


def _of_cells(table: np.ndarray, cells: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Decode YOLOX: centre and logarithm of the side, in strides, and two kinds of scores."""
    from torchvision.ops import nms

    centres, sides, stride = table[:, :2], table[:, 2:4], cells[:, 2:]
    if np.percentile(np.abs(centres), 90) < max(size) / 16:  # else the file has decoded them
        centres, sides = (centres + cells[:, :2]) * stride, np.exp(sides.clip(max=20)) * stride
    scores = table[:, 4] * table[:, 5]  # something is there; it is a person
    people = np.concatenate([centres - sides / 2, centres + sides / 2, scores[:, None]], axis=1)
    people = people[scores >= LEAST].astype(np.float32)
    boxes = torch.from_numpy(people)
    return people[nms(boxes[:, :4], boxes[:, 4], OVERLAP).numpy()]
