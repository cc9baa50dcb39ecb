"""A canvas of three sheets: colour, light and labels, painted with anti-aliased polygons.

All coordinates are image pixels ``(x, y)``; pixel i is centred on coordinate i. Colour and light
are painted apart and multiplied at the end, so a pattern and the shading of a limb do not know
of each other. Labels say which part of which person a pixel shows; they are never blended.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

import cv2
import numpy as np

SHIFT = 4  # OpenCV draws in sixteenths of a pixel
SUBPIXELS = 1 << SHIFT
NEUTRAL = 128  # light that leaves a colour as it is
# Anti-aliased OpenCV polygons are this much fatter than their outline, in pixels (measured on
# discs of 4 to 15 px); outlines are drawn thinner by as much.
FATNESS = 0.5
RIM_LIGHT = 98
THIN = 1.5  # pixels; a solid that reaches no further shows one light
THIN_LIGHT = 126
INSETS = np.array([0.0, 0.22, 0.46, 0.74])[:, None, None]  # share of the reach taken off
LIGHTS = (RIM_LIGHT, 116, 130, 142)  # light inside each inset
LAMP_PULL = 0.45  # how far the bright middle moves toward the light, in insets

_TURN = np.linspace(0, 2 * np.pi, 20, endpoint=False)
CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)
_ARC = np.linspace(-np.pi / 2, np.pi / 2, 7)
# Corners of a capsule in the frame of its limb: share of the way along, then unit spokes.
_WAY = np.concatenate([np.ones(7), [0.5], np.zeros(7), [0.5]])
_SPOKES = np.concatenate(
    [
        np.stack([np.cos(_ARC), np.sin(_ARC)], axis=1),
        [[0.0, 1.0]],
        np.stack([-np.cos(_ARC), -np.sin(_ARC)], axis=1),
        [[0.0, -1.0]],
    ]
)


@dataclass(frozen=True)
class Shape:
    """A convex outline that knows its inside: every corner is a core point plus a spoke.

    Shrinking the spokes moves the outline toward the core, the brightest line of a solid.

    Attributes:
        core: (M, 2) pixels.
        spokes: (M, 2) pixels.
        reach: length of the longest spoke, in pixels.
    """

    core: np.ndarray
    spokes: np.ndarray
    reach: float

    @property
    def outline(self) -> np.ndarray:
        """(M, 2) corners in pixels."""
        return self.core + self.spokes


class Canvas:
    """Colour (H, W, 3) uint8 BGR, light (H, W) uint8 and labels (H, W) uint8 of one image."""

    def __init__(self, image: np.ndarray) -> None:
        self.image = image
        self.light = np.full(image.shape[:2], NEUTRAL, np.uint8)
        self.labels = np.zeros(image.shape[:2], np.uint8)

    @property
    def size(self) -> tuple[int, int]:
        """``(width, height)`` in pixels."""
        return self.image.shape[1], self.image.shape[0]

    def paint(self, polygon: np.ndarray, colour: tuple[int, int, int]) -> None:
        """Paint a convex polygon (M, 2) in one colour, without light and label."""
        cv2.fillConvexPoly(self.image, to_fixed(polygon), colour, cv2.LINE_AA, SHIFT)

    def solid(
        self,
        shape: Shape,
        colour: tuple[int, int, int],
        label: int,
        *,
        lamp: tuple[float, float] = (0.0, 0.0),
        gain: float = 1.0,
    ) -> bool:
        """Paint a rounded solid: colour, label, and light that falls off toward the rim.

        Args:
            shape: outline and core.
            colour: (blue, green, red).
            label: written to every pixel inside.
            lamp: unit vector toward the light, in the image plane.
            gain: brightness of the whole solid.

        Returns:
            False if it lies outside the image.
        """
        pull = np.array(lamp) * (LAMP_PULL * shape.reach)
        rings = to_fixed(shape.core + (1.0 - INSETS) * shape.spokes + INSETS * pull)
        if self._misses(rings[0]):
            return False
        cv2.fillConvexPoly(self.image, rings[0], colour, cv2.LINE_AA, SHIFT)
        cv2.fillConvexPoly(self.labels, rings[0], label, cv2.LINE_8, SHIFT)
        lights = LIGHTS if shape.reach > THIN else (THIN_LIGHT,)
        for ring, light in zip(rings, lights, strict=False):
            cv2.fillConvexPoly(self.light, ring, int(light * gain), cv2.LINE_AA, SHIFT)
        return True

    def slab(self, polygon: np.ndarray, colour: tuple[int, int, int], gain: float = 1.0) -> None:
        """Paint a flat convex polygon (M, 2) in even light, with label 0."""
        fixed = to_fixed(polygon)
        cv2.fillConvexPoly(self.image, fixed, colour, cv2.LINE_AA, SHIFT)
        cv2.fillConvexPoly(self.labels, fixed, 0, cv2.LINE_8, SHIFT)
        cv2.fillConvexPoly(self.light, fixed, int(NEUTRAL * gain), cv2.LINE_AA, SHIFT)

    def weave(self, shape: Shape, axis: np.ndarray, tile: np.ndarray, texel: float) -> None:
        """Lay a repeating tile (T, T, 3) uint8 over a shape, its rows along the axis.

        Args:
            shape: what to cover.
            axis: (2, 2) pixels; the tile starts at the first end.
            tile: the pattern.
            texel: size of one texel, in pixels.
        """
        fixed = to_fixed(shape.core + 0.94 * shape.spokes)
        x, y, width, height = cv2.boundingRect(fixed)
        left, top = max(x // SUBPIXELS, 0), max(y // SUBPIXELS, 0)
        right = min((x + width) // SUBPIXELS + 1, self.size[0])
        bottom = min((y + height) // SUBPIXELS + 1, self.size[1])
        if right - left < 3 or bottom - top < 3:
            return
        cloth = _lay(tile, axis, texel, (left, top, right - left, bottom - top))
        mask = np.zeros(cloth.shape[:2], np.uint8)
        local = fixed - np.array([left * SUBPIXELS, top * SUBPIXELS], np.int32)
        cv2.fillConvexPoly(mask, local, 255, cv2.LINE_8, SHIFT)
        cv2.copyTo(cloth, mask, self.image[top:bottom, left:right])

    def _misses(self, fixed: np.ndarray) -> bool:
        """Return whether the box around a polygon in sixteenths lies outside the image."""
        x, y, width, height = cv2.boundingRect(fixed)
        right, bottom = self.size[0] * SUBPIXELS, self.size[1] * SUBPIXELS
        return x > right or y > bottom or x + width < -SUBPIXELS or y + height < -SUBPIXELS


def to_fixed(polygon: np.ndarray) -> np.ndarray:
    """Round pixel coordinates to OpenCV's sixteenths: (..., 2) int32."""
    return np.rint(polygon * SUBPIXELS).astype(np.int32)


def capsule(start: np.ndarray, end: np.ndarray, radii: tuple[float, float, float]) -> Shape:
    """Return a limb of 16 corners with radii at its start, middle and end, in pixels."""
    along = end - start
    length = hypot(along[0], along[1])
    cosine, sine = (along[0] / length, along[1] / length) if length > 1e-6 else (0.0, 1.0)
    first, middle, last = (max(radius - FATNESS, 0.25) for radius in radii)
    thickness = np.array([last] * 7 + [middle] + [first] * 7 + [middle])
    turn = np.array([[cosine, sine], [-sine, cosine]])
    spokes = (_SPOKES * thickness[:, None]) @ turn
    return Shape(start + _WAY[:, None] * along, spokes, max(first, middle, last))


def disc(centre: np.ndarray, radius: float) -> Shape:
    """Return a disc of 20 corners; radius in pixels."""
    radius = max(radius - FATNESS, 0.2)
    return Shape(np.broadcast_to(centre, CIRCLE.shape), radius * CIRCLE, radius)


def ellipse(centre: np.ndarray, spread: np.ndarray) -> Shape:
    """Return an ellipse of 20 corners: the image of the unit circle under ``spread`` (2, 2)."""
    spokes = CIRCLE @ spread.T
    return Shape(np.broadcast_to(centre, CIRCLE.shape), spokes, float(np.abs(spokes).max()))


def hull(points: np.ndarray, axis: np.ndarray) -> Shape:
    """Return the convex hull of points (N, 2), brightest along the axis (2, 2)."""
    outline = cv2.convexHull(points.astype(np.float32))[:, 0].astype(np.float64)
    core = _nearest_on_segment(outline, axis)
    spokes = outline - core
    return Shape(core, spokes, float(np.sqrt((spokes**2).sum(axis=1).max())))


def _nearest_on_segment(points: np.ndarray, segment: np.ndarray) -> np.ndarray:
    """Return the (M, 2) points of the segment (2, 2) that are nearest to points (M, 2)."""
    along = segment[1] - segment[0]
    squared = max(float(along @ along), 1e-9)
    share = np.clip((points - segment[0]) @ along / squared, 0.0, 1.0)
    return segment[0] + share[:, None] * along


def _lay(
    tile: np.ndarray, axis: np.ndarray, texel: float, window: tuple[int, int, int, int]
) -> np.ndarray:
    """Warp a repeating tile into a window ``(x, y, width, height)`` of the image."""
    along = axis[1] - axis[0]
    length = hypot(along[0], along[1])
    right, down = (along[0] / length, along[1] / length) if length > 1e-6 else (0.0, 1.0)
    # image pixel -> texel: columns across the axis, rows along it
    turn = np.array([[down, -right], [right, down]]) / texel
    start = turn @ (np.array(window[:2]) - axis[0]) + tile.shape[0] / 2
    return cv2.warpAffine(
        tile,
        np.column_stack([turn, start]),
        window[2:],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_WRAP,
    )
