"""What is changed about a view, one thing at a time, and by which levels.

Every level of a factor draws the same random numbers for a view: occluders grow and do not jump,
so that curves are about the level. The first level changes nothing and is bit for bit the view.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from lib.stress.view import View, cover, cut, warp
from lib.utils.registry import Registry

Change = Callable[[View, float, np.random.Generator, View], View]


@dataclass(frozen=True)
class Factor:
    """One thing that changes.

    Attributes:
        levels: values, the first of which leaves views as they are.
        unit: what a level is, for axes.
        change: (view, level, source of randomness, another view of the set) -> changed view.
        needs_boxes: only models that are given boxes feel it.
        needs_outlines: it cuts people out.
    """

    levels: tuple[float, ...]
    unit: str
    change: Change
    needs_boxes: bool = False
    needs_outlines: bool = False

    def apply(self, view: View, level: float, seed: tuple[int, ...], other: View) -> View:
        """Return the view at a level; the seed is the same for all levels of a view."""
        if level == self.levels[0]:
            return view
        return self.change(view, level, np.random.default_rng(seed), other)


FACTORS: Registry[Factor] = Registry("factor")


def factor(
    name: str, levels: tuple[float, ...], unit: str, **needs: bool
) -> Callable[[Change], Change]:
    """Return a decorator that files a change under a name."""

    def add(change: Change) -> Change:
        FACTORS.register(name)(Factor(levels, unit, change, **needs))
        return change

    return add


@factor("identity", (0.0, 1.0), "nothing: the curve must be flat")
def identity(view: View, level: float, rng: np.random.Generator, other: View) -> View:
    """Change nothing."""
    return view


@factor("occlusion", (0.0, 0.1, 0.2, 0.4, 0.6), "share of the box's area that is covered")
def occlusion(view: View, level: float, rng: np.random.Generator, other: View) -> View:
    """Lay a rectangle of the box's proportions over a place of the box."""
    place = rng.random(2)
    extent = (view.box[2:] - view.box[:2]) * np.sqrt(level)
    low = view.box[:2] + place * (view.box[2:] - view.box[:2] - extent)
    return _covered(view, low, low + extent, rng)


@factor("lower part covered", (0.0, 0.15, 0.3, 0.45, 0.6), "share of the box's height, from below")
def lower_part(view: View, level: float, rng: np.random.Generator, other: View) -> View:
    """Cover the box from below."""
    edge = view.box[3] - level * (view.box[3] - view.box[1])
    return _covered(view, np.array([view.box[0], edge]), view.box[2:], rng)


@factor("upper part covered", (0.0, 0.15, 0.3, 0.45, 0.6), "share of the box's height, from above")
def upper_part(view: View, level: float, rng: np.random.Generator, other: View) -> View:
    """Cover the box from above."""
    edge = view.box[1] + level * (view.box[3] - view.box[1])
    return _covered(view, view.box[:2], np.array([view.box[2], edge]), rng)


@factor("truncation", (0.0, 0.1, 0.2, 0.35, 0.5), "share of the box behind the picture's border")
def truncation(view: View, level: float, rng: np.random.Generator, other: View) -> View:
    """Let the picture end within the box, on one of its four sides."""
    side = int(rng.integers(4))
    x1, y1, x2, y2 = view.box.tolist()
    height, width = view.image.shape[:2]
    low, high = [0, 0], [width, height]
    if side < 2:
        low[side] = round((x1, y1)[side] + level * (x2 - x1, y2 - y1)[side])
    else:
        high[side - 2] = round((x2, y2)[side - 2] - level * (x2 - x1, y2 - y1)[side - 2])
    low = [min(low[n], high[n] - 1) for n in range(2)]
    return cut(view, (low[0], low[1]), (max(high[0], 1), max(high[1], 1)))


@factor("size", (1e4, 256.0, 128.0, 64.0, 40.0, 24.0), "longest side of a person, pixels at most")
def size(view: View, level: float, rng: np.random.Generator, other: View) -> View:
    """Shrink the picture until the box's longer side is ``level``; small people stay."""
    scale = level / max(view.side, 1e-6)
    if scale >= 1:
        return view
    middle = (scale - 1) / 2  # pixel centres keep their place within the picture
    matrix = np.array([[scale, 0.0, middle], [0.0, scale, middle]])
    height, width = view.image.shape[:2]
    return warp(view, matrix, (max(1, round(width * scale)), max(1, round(height * scale))), True)


@factor("rotation", (0.0, 15.0, 30.0, 60.0, 90.0, 180.0), "degrees")
def rotation(view: View, level: float, rng: np.random.Generator, other: View) -> View:
    """Turn the picture about the middle of the box, to either side."""
    angle = level * (1 if rng.random() < 0.5 else -1)
    middle = (view.box[:2] + view.box[2:]) / 2
    matrix = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), angle, 1.0)
    height, width = view.image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    turned = corners @ matrix[:, :2].T + matrix[:, 2]
    matrix[:, 2] -= turned.min(axis=0)
    extent = np.ceil(np.ptp(turned, axis=0)).astype(int)
    return warp(view, matrix, (int(extent[0]), int(extent[1])))


@factor("blur", (0.0, 0.5, 1.0, 2.0, 4.0), "standard deviation, % of the box's longer side")
def blur(view: View, level: float, rng: np.random.Generator, other: View) -> View:
    """Blur the picture, the more the larger the person is in it."""
    sigma = max(level / 100 * view.side, 1e-3)
    return replace(view, image=cv2.GaussianBlur(view.image, (0, 0), sigma))


@factor("noise", (0.0, 10.0, 20.0, 40.0, 80.0), "standard deviation, grey levels")
def noise(view: View, level: float, rng: np.random.Generator, other: View) -> View:
    """Add normal noise."""
    drawn = rng.standard_normal(view.image.shape, np.float32)
    pixels = np.clip(np.round(view.image + level * drawn), 0, 255)
    return replace(view, image=pixels.astype(np.uint8))


@factor("JPEG", (100.0, 50.0, 25.0, 10.0, 5.0), "quality")
def jpeg(view: View, level: float, rng: np.random.Generator, other: View) -> View:
    """Compress the picture."""
    _, data = cv2.imencode(".jpg", view.image, [cv2.IMWRITE_JPEG_QUALITY, int(level)])
    return replace(view, image=cv2.imdecode(data, cv2.IMREAD_COLOR))


@factor("brightness", (1.0, 0.1, 0.25, 0.5, 2.0, 4.0), "factor of all pixels")
def brightness(view: View, level: float, rng: np.random.Generator, other: View) -> View:
    """Multiply all pixels; what is brighter than white is white."""
    return replace(view, image=cv2.convertScaleAbs(view.image, alpha=level))


@factor("box error", (0.0, 0.05, 0.1, 0.2, 0.3), "share of the sides", needs_boxes=True)
def box_error(view: View, level: float, rng: np.random.Generator, other: View) -> View:
    """Shift the box into any direction by a share of its sides, and make it larger or smaller."""
    angle, grow = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
    sides = view.box[2:] - view.box[:2]
    middle = (view.box[:2] + view.box[2:]) / 2 + level * sides * (np.cos(angle), np.sin(angle))
    half = sides * np.exp(grow * level) / 2
    return replace(view, box=np.concatenate([middle - half, middle + half]))


@factor(
    "overlap",
    (0.0, 0.2, 0.4, 0.6),
    "share of the box's width behind another person",
    needs_outlines=True,
)
def overlap(view: View, level: float, rng: np.random.Generator, other: View) -> View:
    """Put another person of the same height before the target, from one side."""
    return _joined_by(view, other, level, 1 if rng.random() < 0.5 else -1)


@factor("crowding", (0.0, 1.0, 2.0, 3.0, 4.0), "people around", needs_outlines=True)
def crowding(view: View, level: float, rng: np.random.Generator, other: View) -> View:
    """Put people to the left and right, the later ones farther away."""
    first = 1 if rng.random() < 0.5 else -1
    for number in range(int(level)):
        share = 0.25 - 0.35 * (number // 2)
        view = _joined_by(view, other, share, first * (-1) ** number)
    return view


def _covered(view: View, low: np.ndarray, high: np.ndarray, rng: np.random.Generator) -> View:
    """Fill a rectangle with a colour, and hide the joints under it."""
    mask = np.zeros(view.image.shape[:2], bool)
    x1, y1 = np.maximum(np.round(low), 0).astype(int).tolist()
    x2, y2 = np.maximum(np.round(high), 0).astype(int).tolist()
    mask[y1:y2, x1:x2] = True
    image = view.image.copy()
    image[mask] = rng.integers(60, 196, 3)
    return cover(replace(view, image=image), mask)


def _joined_by(view: View, other: View, share: float, side: int) -> View:
    """Paint the person of another view, as tall as the target, beside or before it.

    Args:
        view: the target's.
        other: that of the person.
        share: of the target's width that the boxes have in common; negative leaves a gap.
        side: 1 comes from the right, -1 from the left.
    """
    sides, given = view.box[2:] - view.box[:2], other.box[2:] - other.box[:2]
    scale = sides[1] / max(given[1], 1e-6)
    width = scale * given[0]
    left = view.box[2] - share * sides[0] if side > 0 else view.box[0] + share * sides[0] - width
    goal = np.array([left, view.box[1]])
    matrix = np.column_stack([np.eye(2) * scale, goal - scale * other.box[:2]])
    shape = view.image.shape[1], view.image.shape[0]
    moved = warp(other, matrix, shape, smooth=True)
    mask = moved.mask
    image = np.where(mask[..., None], moved.image, view.image)
    joined = cover(replace(view, image=image), mask)
    return replace(
        joined,
        others=np.concatenate([joined.others, moved.joints[None]]),
        other_areas=np.append(joined.other_areas, moved.area),
    )
