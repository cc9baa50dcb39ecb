"""Changes of colour and sharpness that leave every joint where it is.

What is done to an image is drawn first, as plain numbers, and keyed like its view: by (seed, epoch,
sample), in a stream of its own, so that views stay the same whether colours change or not. All
chances and amounts are drawn every time: switching one operation on leaves the others as they were.
The processor does the work, on the bytes of a finished crop; most of it is one look-up table.

The order is fixed: colours, then sharpness, then the camera (noise, JPEG), then what hides. The
published recipes are special cases (RTMPose: hue, saturation and value shifted, box blur, median
blur, one black rectangle; Jiang et al. 2023).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

STREAM = 1  # of the keyed generator; views draw from stream 0
LEVELS = 255
GREY = 128.0  # the level that a change of contrast leaves as it is
HUE_STEP = 2.0  # degrees, in which OpenCV counts hues
HUES = 180  # of them

# In the order in which they are drawn; a new one goes to the end, so that the others keep theirs.
OPERATIONS = (
    "HUE", "SATURATION", "SATURATION_SHIFT", "VALUE_SHIFT", "BRIGHTNESS", "CONTRAST", "GREY",
    "LOW_RESOLUTION", "BLUR", "BOX_BLUR", "MEDIAN_BLUR", "NOISE", "JPEG", "DROPOUT",
)  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """How often something is done, and how much.

    Attributes:
        probability: of being done to an image, in [0, 1].
        least: smallest amount, in the unit of `Distortion`.
        most: largest amount.
    """

    probability: float
    least: float
    most: float


@dataclass(frozen=True)
class Distortion:
    """What is done to one image; the defaults do nothing.

    Attributes:
        hue: steps of two degrees round the colour circle, whole.
        saturation: factor.
        saturation_shift: added to the saturation, in [-255, 255], whole.
        value_shift: added to the value (the largest of the three colours), whole.
        brightness: levels added to every colour.
        contrast: factor on the distance from middle grey.
        grey: share of a grey picture that is mixed in, in [0, 1].
        low_resolution: size of the picture in between, in (0, 1].
        blur: deviation of a Gaussian in pixels.
        box_blur: odd side of a box in pixels.
        median_blur: odd side of a window in pixels.
        noise: deviation of normal noise in levels.
        noise_seed: chooses the noise.
        jpeg: quality of a JPEG in between, 1 to 100; 0 for none.
        hole: ``x, y, width, height`` of a black rectangle, as shares of the picture.
    """

    hue: int = 0
    saturation: float = 1.0
    saturation_shift: int = 0
    value_shift: int = 0
    brightness: float = 0.0
    contrast: float = 1.0
    grey: float = 0.0
    low_resolution: float = 1.0
    blur: float = 0.0
    box_blur: int = 1
    median_blur: int = 1
    noise: float = 0.0
    noise_seed: int = 0
    jpeg: int = 0
    hole: tuple[float, float, float, float] | None = None


def draw_distortion(
    generator: np.random.Generator, operations: Mapping[str, Operation]
) -> Distortion:
    """Draw what to do to one image; the same numbers are drawn whatever the operations.

    Args:
        generator: of the sample, see `keyed_generator` and ``STREAM``.
        operations: by their names in ``OPERATIONS``; those left out are never done.
    """
    chances = generator.random(len(OPERATIONS)).tolist()
    parts = generator.random(len(OPERATIONS)).tolist()
    right, down, tall = generator.random(3).tolist()
    seed = int(generator.integers(2**31))
    chosen: dict[str, float] = {}
    for name, chance, part in zip(OPERATIONS, chances, parts, strict=True):
        operation = operations.get(name)
        if operation is not None and chance < operation.probability:
            chosen[name.lower()] = _AMOUNTS.get(name, _between)(operation, part)
    hole = None
    if "dropout" in chosen:
        width, height = chosen.pop("dropout"), _between(operations["DROPOUT"], tall)
        hole = (right * (1 - width), down * (1 - height), width, height)
    return Distortion(**chosen, noise_seed=seed, hole=hole)  # pyright: ignore[reportArgumentType]


def _between(operation: Operation, part: float) -> float:
    return operation.least + part * (operation.most - operation.least)


def _odd(operation: Operation, part: float) -> int:
    """Return one of the odd numbers from least to most, all equally likely."""
    count = int(operation.most - operation.least) // 2 + 1
    return int(operation.least) + 2 * int(part * count)


_AMOUNTS: dict[str, Callable[[Operation, float], float]] = {  # of those that are whole numbers
    **dict.fromkeys(
        ("SATURATION_SHIFT", "VALUE_SHIFT", "JPEG"),
        lambda operation, part: int(_between(operation, part)),
    ),
    "HUE": lambda operation, part: int(_between(operation, part) / HUE_STEP),
    **dict.fromkeys(("BOX_BLUR", "MEDIAN_BLUR"), _odd),
}


def distort(pixels: np.ndarray, distortion: Distortion) -> np.ndarray:
    """Return (H, W, 3) uint8 BGR pixels as the distortion says; the given array stays as it is."""
    for change in (_colour, _levels, _grey, _sharpness, _noise, _jpeg, _hole):
        pixels = change(pixels, distortion)
    return pixels


def _colour(pixels: np.ndarray, d: Distortion) -> np.ndarray:
    """Turn hues and change saturations and values, by one table for each."""
    if (d.hue, d.saturation, d.saturation_shift, d.value_shift) == (0, 1.0, 0, 0):
        return pixels
    steps = np.arange(LEVELS + 1)
    tables = (
        (steps + d.hue) % HUES,
        (steps * d.saturation + d.saturation_shift).clip(0, LEVELS),
        (steps + d.value_shift).clip(0, LEVELS),
    )
    table = np.stack(tables, axis=1).astype(np.uint8)[:, None]  # (256, 1, 3)
    turned = cv2.LUT(cv2.cvtColor(pixels, cv2.COLOR_BGR2HSV), table)
    return cv2.cvtColor(turned, cv2.COLOR_HSV2BGR)


def _levels(pixels: np.ndarray, d: Distortion) -> np.ndarray:
    if (d.brightness, d.contrast) == (0.0, 1.0):
        return pixels
    levels = (np.arange(LEVELS + 1) - GREY) * d.contrast + GREY + d.brightness
    return cv2.LUT(pixels, levels.round().clip(0, LEVELS).astype(np.uint8))


def _grey(pixels: np.ndarray, d: Distortion) -> np.ndarray:
    if not d.grey:
        return pixels
    grey = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return grey if d.grey == 1 else cv2.addWeighted(grey, d.grey, pixels, 1 - d.grey, 0)


def _sharpness(pixels: np.ndarray, d: Distortion) -> np.ndarray:
    height, width = pixels.shape[:2]
    if d.low_resolution < 1:
        small = tuple(max(1, round(side * d.low_resolution)) for side in (width, height))
        less = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
        pixels = cv2.resize(less, (width, height), interpolation=cv2.INTER_LINEAR)
    if d.blur > 0:
        pixels = cv2.GaussianBlur(pixels, (0, 0), d.blur)
    if d.box_blur > 1:
        pixels = cv2.blur(pixels, (d.box_blur, d.box_blur))
    return cv2.medianBlur(pixels, d.median_blur) if d.median_blur > 1 else pixels


def _noise(pixels: np.ndarray, d: Distortion) -> np.ndarray:
    if not d.noise:
        return pixels
    cv2.setRNGSeed(d.noise_seed)  # OpenCV draws normal numbers faster than NumPy
    added = np.empty(pixels.shape, np.int16)
    cv2.randn(added, np.zeros(3), np.full(3, d.noise))
    return cv2.add(pixels, added, dtype=cv2.CV_8U)


def _jpeg(pixels: np.ndarray, d: Distortion) -> np.ndarray:
    if not d.jpeg:
        return pixels
    _, packed = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, d.jpeg])
    shown = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return pixels if shown is None else shown  # never for what was just written


def _hole(pixels: np.ndarray, d: Distortion) -> np.ndarray:
    if d.hole is None:
        return pixels
    height, width = pixels.shape[:2]
    x, y, across, down = d.hole
    left, top = round(x * width), round(y * height)
    pixels = pixels.copy()
    pixels[top : top + round(down * height), left : left + round(across * width)] = 0
    return pixels
