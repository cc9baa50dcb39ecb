"""The pieces a figure is painted from, and the projected view of a body they are cut from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.datasets.synthetic.body import POINT, SIDES, Body, project
from lib.datasets.synthetic.canvas import Shape
from lib.datasets.synthetic.outfit import Colour

PARTS = (
    "torso", "hips", "neck", "head", "hair", "hat", "bag", "skirt",
    *(f"{side}_{part}" for part in ("upper_arm", "forearm", "hand") for side in SIDES),
    *(f"{side}_{part}" for part in ("thigh", "shin", "foot") for side in SIDES),
)  # fmt: skip
PART = {name: number for number, name in enumerate(PARTS)}


@dataclass(frozen=True)
class Mark:
    """A flat detail on a solid: convex polygon (M, 2) in pixels, and its colour."""

    polygon: np.ndarray
    colour: Colour


@dataclass(frozen=True)
class Solid:
    """One rounded piece of a person.

    Attributes:
        part: name from ``PARTS``.
        shape: outline and core, in pixels.
        depth: the greater, the nearer to the viewer; in statures.
        colour: (blue, green, red).
        gain: brightness; pieces at the back are darker.
        tile: (T, T, 3) uint8 woven pattern, or None.
        axis: (2, 2) pixels, the line the rows of the tile follow; needed with a tile.
        marks: details painted on it, in order.
    """

    part: str
    shape: Shape
    depth: float
    colour: Colour
    gain: float = 1.0
    tile: np.ndarray | None = None
    axis: np.ndarray | None = None
    marks: tuple[Mark, ...] = ()


class View:
    """A body projected into an image.

    Attributes:
        body: the posed body.
        centre: ``(x, y)`` pixels of the pelvis.
        stature: pixels per unit at the pelvis.
        perspective: inverse camera distance in statures.
        pixels: (P, 2) image position of every body point, rows as in ``body.POINTS``.
    """

    def __init__(
        self, body: Body, centre: tuple[float, float], stature: float, perspective: float
    ) -> None:
        self.body = body
        self.centre = centre
        self.stature = stature
        self.perspective = perspective
        self.pixels, scales = project(body.points, centre, stature, perspective)
        self._scales = scales.tolist()
        self._depths = body.points[:, 2].tolist()

    def moved_to(self, centre: tuple[float, float], stature: float) -> View:
        """Return the same body elsewhere in the image and at another size."""
        return View(self.body, centre, stature, self.perspective)

    def pixel(self, name: str) -> np.ndarray:
        """``(x, y)`` of a named body point, in pixels."""
        return self.pixels[POINT[name]]

    def depth(self, *names: str) -> float:
        """Mean depth of named body points, in statures."""
        return sum(self._depths[POINT[name]] for name in names) / len(names)

    def scale(self, *names: str) -> float:
        """Mean number of pixels per stature at named body points."""
        return sum(self._scales[POINT[name]] for name in names) / len(names)

    def on(self, frame: np.ndarray, origin: str, places: np.ndarray) -> np.ndarray:
        """Project places (M, 3), given in a body frame around a named point, to pixels (M, 2)."""
        points = self.body.points[POINT[origin]] + places @ frame.T
        return project(points, self.centre, self.stature, self.perspective)[0]


def shade(colour: Colour, factor: float) -> Colour:
    """Return a colour made darker (factor below 1) or brighter."""
    blue, green, red = (min(255, int(factor * value)) for value in colour)
    return blue, green, red


def depth_gain(depth: float) -> float:
    """Brightness of a piece: far limbs are darker, near ones brighter."""
    return min(max(1.0 + 0.9 * depth, 0.78), 1.12)
