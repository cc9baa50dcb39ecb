"""Random views of whole images: drawn as plain numbers first, done as one warp afterwards.

The distributions are those released with HigherHRNet (Cheng et al. 2020); draws are keyed by
(seed, epoch, sample), and their order is ours. Zoom, rotation, shift and mirror are one affine map
onto a square, the same at every resolution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lib.datasets.photometric import Operation

UNIT = 200.0  # pixels per unit of "scale" in the lineage, which shifts are counted in


@dataclass(frozen=True)
class ImageAugmentation:
    """What may be done to an image.

    Attributes:
        min_scale: smallest factor on the image side that fills the input; below 1 enlarges.
        max_scale: largest such factor.
        rotation: largest rotation to either side, degrees.
        translate: largest shift to either side, in image pixels per 200 pixels of filling side.
        flip: probability of a mirror.
        fill_long: the image's long side fills the input, else its short one.
        photometric: what may be done to colours and sharpness.
    """

    min_scale: float = 1.0
    max_scale: float = 1.0
    rotation: float = 0.0
    translate: float = 0.0
    flip: float = 0.0
    fill_long: bool = False
    photometric: Mapping[str, Operation] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageView:
    """What is done to one image.

    Attributes:
        centre: image pixel that falls on the middle of the square.
        extent: image pixels that the square is wide.
        zoom_out: factor that ``extent`` was drawn with.
        rotation: degrees; the picture turns anticlockwise.
        flip: mirror the square.
    """

    centre: tuple[float, float]
    extent: float
    zoom_out: float = 1.0
    rotation: float = 0.0
    flip: bool = False

    def affine_to(self, side: int) -> np.ndarray:
        """Return the (2, 3) map from image pixels to a square of ``side`` pixels or cells.

        A mirror takes ``x`` to ``side - 1 - x``; joints must then swap left for right.
        """
        zoom = side / self.extent
        angle = math.radians(self.rotation)
        cos, sin = math.cos(angle), math.sin(angle)
        linear = zoom * np.array([[cos, sin], [-sin, cos]])
        offset = np.full(2, side / 2) - linear @ np.asarray(self.centre)
        matrix = np.concatenate([linear, offset[:, None]], axis=1)
        if self.flip:
            matrix[0] *= -1
            matrix[0, 2] += side - 1
        return matrix


def draw_image_view(
    generator: np.random.Generator, augmentation: ImageAugmentation, size: tuple[int, int]
) -> ImageView:
    """Draw what to do to an image of ``(width, height)``; always as many numbers."""
    zoom, turn, flip, right, down = generator.random(5)
    spread = augmentation.max_scale - augmentation.min_scale
    factor = augmentation.min_scale + zoom * spread
    return image_view(
        size,
        augmentation,
        factor=factor,
        rotation=(2 * turn - 1) * augmentation.rotation,
        shift=(right, down),
        flip=bool(flip < augmentation.flip),
    )


def image_view(
    size: tuple[int, int],
    augmentation: ImageAugmentation,
    *,
    factor: float,
    rotation: float,
    shift: tuple[float, float],
    flip: bool,
) -> ImageView:
    """Return the view of an image of ``(width, height)`` that these draws stand for.

    Args:
        size: of the image.
        augmentation: its limits.
        factor: on the side that fills the input.
        rotation: degrees.
        shift: uniform numbers in [0, 1) for right and down; shifts are whole pixels, as published.
        flip: mirror.
    """
    side = max(size) if augmentation.fill_long else min(size)
    extent = side * factor
    reach = int(augmentation.translate * extent / UNIT)
    moves = [math.floor(-reach + 2 * reach * part) for part in shift]
    return ImageView(
        centre=(size[0] / 2 + moves[0], size[1] / 2 + moves[1]),
        extent=extent,
        zoom_out=factor,
        rotation=rotation,
        flip=flip,
    )
