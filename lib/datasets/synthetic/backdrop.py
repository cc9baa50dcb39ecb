"""What stands around people: textured places, furniture, and clutter that looks like limbs."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from lib.datasets.synthetic.canvas import Canvas, capsule, disc, hull, to_fixed
from lib.datasets.synthetic.outfit import Colour, draw_colour, draw_limb_colours

LAMP = (-0.5, -0.7)  # clutter is lit from the upper left
SQUARE = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
OCTAVES = ((3, 26.0), (9, 14.0), (28, 9.0), (90, 6.0))  # (cells, amplitude) of a texture


def sample_place(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Paint an empty place: ground and wall or sky, a texture, sometimes a regular pattern.

    Args:
        rng: source of every choice.
        size: ``(width, height)`` in pixels.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    width, height = size
    image = np.empty((height, width, 3), np.float32)
    horizon = int(height * rng.uniform(0.3, 0.75))
    image[:horizon] = _place_colour(rng)
    image[horizon:] = _place_colour(rng)
    if rng.random() < 0.2:  # no horizon: a wall or the ground seen from above
        image[:] = image[0, 0]
    image += _texture(rng, size, rng.uniform(0.5, 1.6))
    if rng.random() < 0.5:
        image += _pattern(rng, size)[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


def scatter_clutter(rng: np.random.Generator, canvas: Canvas, count: int) -> None:
    """Paint ``count`` shapes behind the people: boxes, balls, poles, jointed limbs."""
    painters: tuple[Callable[[np.random.Generator, Canvas], None], ...] = (
        _box,
        _ball,
        _pole,
        _limb,
        _limb,
    )
    for choice in rng.integers(len(painters), size=count):
        painters[choice](rng, canvas)


def paint_occluder(
    rng: np.random.Generator, canvas: Canvas, target: np.ndarray, span: float
) -> None:
    """Paint a shape in front of people, somewhere around ``target``; it carries label 0.

    Args:
        rng: source of every choice.
        canvas: painted in place.
        target: ``(x, y)`` pixels.
        span: size of what it may hide, in pixels.
    """
    colour = _object_colour(rng)
    centre = target + rng.normal(0, 0.15 * span, 2)
    kind = rng.random()
    if kind < 0.2:  # a post or a trunk
        lean = rng.normal(0, 0.1 * span)
        radius = span * rng.uniform(0.02, 0.06)
        ends = np.array([[centre[0] - lean, -9.0], [centre[0] + lean, canvas.size[1] + 9.0]])
        canvas.solid(capsule(ends[0], ends[1], (radius, radius, radius)), colour, 0)
        return
    half = span * rng.uniform(0.06, 0.2, 2)
    if kind < 0.6:  # a box: table, counter, sign
        canvas.slab(centre + SQUARE * half, colour, gain=float(rng.uniform(0.8, 1.1)))
        return
    blob = centre + rng.normal(0, 0.6, (9, 2)) * half
    canvas.solid(hull(blob, np.stack([centre, centre])), colour, 0)


def paint_seat(rng: np.random.Generator, canvas: Canvas, seat: np.ndarray, stature: float) -> None:
    """Paint a bench or a box under someone who sits at ``seat`` ``(x, y)``."""
    half = stature * np.array([rng.uniform(0.10, 0.22), rng.uniform(0.08, 0.12)])
    centre = seat + np.array([0.0, 0.05 * stature + half[1]])
    colour = _object_colour(rng)
    canvas.slab(centre + SQUARE * half, colour, gain=0.85)
    top = centre - np.array([0.0, half[1]])
    canvas.slab(top + SQUARE * half * (1.0, 0.2), colour, gain=1.1)


def paint_shadow(canvas: Canvas, feet: np.ndarray, width: float, strength: float) -> None:
    """Darken an ellipse on the ground, ``feet`` ``(x, y)`` its centre; strength 0 to 1."""
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    for share in (1.0, 0.7):
        outline = feet + np.stack(
            [np.cos(turn) * width * share, np.sin(turn) * 0.22 * width * share], 1
        )
        light = int(128 * (1.0 - strength * (1.3 - share)))
        cv2.fillConvexPoly(canvas.light, to_fixed(outline), light, cv2.LINE_AA, 4)


def _place_colour(rng: np.random.Generator) -> np.ndarray:
    """Draw a muted colour: walls, grass, sky, sand, streets."""
    return np.array(draw_colour(rng, (0.02, 0.35), (0.24, 0.88)), np.float32)


def _object_colour(rng: np.random.Generator) -> Colour:
    return draw_colour(rng, (0.04, 0.75), (0.16, 0.9))


def _texture(rng: np.random.Generator, size: tuple[int, int], strength: float) -> np.ndarray:
    """Sum noise of several grain sizes: (H, W, 3) float32 around 0."""
    total = np.zeros((2, 2, 3), np.float32)
    for cells, amplitude in OCTAVES:  # each octave is drawn on the enlarged sum of the coarser
        rows = max(2, round(cells * size[1] / size[0]))
        grain = rng.standard_normal((rows, cells, 1), dtype=np.float32)
        tint = grain + 0.25 * rng.standard_normal((rows, cells, 3), dtype=np.float32)
        total = cv2.resize(total, (cells, rows)) + tint * (amplitude * strength * 0.5)
    return cv2.resize(total, size)


def _pattern(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Return bars, a fence, tiles or bricks: (H, W) float32 around 0."""
    column = np.arange(size[0], dtype=np.float32)
    row = np.arange(size[1], dtype=np.float32)[:, None]
    cosine, sine = np.float32(np.cos(angle := rng.uniform(-0.3, 0.3))), np.float32(np.sin(angle))
    period = np.float32(rng.uniform(10, 60))
    bars = _phase(column * cosine + row * sine, period) < rng.uniform(0.1, 0.5)
    if rng.random() < 0.5:
        bars |= _phase(row * cosine - column * sine, period) < 0.12
    return bars * np.float32(rng.uniform(-40, 40))


def _phase(distance: np.ndarray, period: np.float32) -> np.ndarray:
    """Return where in its period a distance falls, 0 to 1; np.mod is four times slower."""
    turns = distance / period
    return turns - np.floor(turns)


def _anywhere(rng: np.random.Generator, canvas: Canvas) -> np.ndarray:
    return rng.uniform(-0.05, 1.05, 2) * canvas.size


def _box(rng: np.random.Generator, canvas: Canvas) -> None:
    centre = _anywhere(rng, canvas)
    half = min(canvas.size) * rng.uniform(0.03, 0.22, 2)
    turn = rng.normal(0, 0.15)
    basis = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners = centre + (SQUARE * half) @ basis
    canvas.slab(corners, _object_colour(rng), gain=float(rng.uniform(0.8, 1.1)))


def _ball(rng: np.random.Generator, canvas: Canvas) -> None:
    """Paint a disc, half of them in a skin colour: a head without a body."""
    centre = _anywhere(rng, canvas)
    skin, _ = draw_limb_colours(rng)
    colour = skin if rng.random() < 0.5 else _object_colour(rng)
    canvas.solid(disc(centre, min(canvas.size) * rng.uniform(0.02, 0.09)), colour, 0, lamp=LAMP)


def _pole(rng: np.random.Generator, canvas: Canvas) -> None:
    start = _anywhere(rng, canvas)
    end = (
        start + rng.normal(0, 0.06, 2) * canvas.size + (0.0, rng.uniform(0.3, 0.9) * canvas.size[1])
    )
    radius = min(canvas.size) * rng.uniform(0.006, 0.03)
    canvas.solid(capsule(start, end, (radius, radius, radius)), _object_colour(rng), 0, lamp=LAMP)


def _limb(rng: np.random.Generator, canvas: Canvas) -> None:
    """Paint two jointed capsules in cloth and skin, like an arm or a leg of nobody."""
    start = _anywhere(rng, canvas)
    skin, cloth = draw_limb_colours(rng)
    length = min(canvas.size) * rng.uniform(0.06, 0.22)
    heading = rng.uniform(0, 2 * np.pi)
    radius = length * rng.uniform(0.10, 0.22)
    for colour in (cloth, skin if rng.random() < 0.6 else cloth):
        end = start + length * np.array([np.cos(heading), np.sin(heading)])
        limb = capsule(start, end, (radius, 0.95 * radius, 0.75 * radius))
        canvas.solid(limb, colour, 0, lamp=LAMP)
        start, radius = end, 0.75 * radius
        heading += rng.normal(0, 0.9)
