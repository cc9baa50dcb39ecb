"""What people wear: skin, hair, garments with woven patterns, hats and bags."""

from __future__ import annotations

from collections.abc import Sequence
from colorsys import hsv_to_rgb
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np

TILE = 64  # side of a garment tile, in texels
SKINS = ((198, 218, 244), (172, 196, 232), (140, 172, 214), (104, 140, 188), (70, 100, 146))
DARK_SKINS = ((48, 72, 112), (36, 52, 84))
HAIRS = ((24, 24, 28), (30, 42, 66), (44, 72, 112), (96, 150, 196), (60, 70, 130), (150, 150, 156))
PATTERNS = ("plain", "plain", "hoops", "stripes", "checks", "dots", "camouflage", "blocks")

HAIR_STYLES = ("bald", "short", "bob", "long", "tail")
COLUMN = np.arange(TILE)
ROW = COLUMN[:, None]

T = TypeVar("T")
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Garment:
    """One piece of clothing.

    Attributes:
        colour: (blue, green, red) the piece shows from afar.
        tile: (64, 64, 3) uint8 pattern that repeats along a limb, or None for plain cloth.
        length: share of each limb that it covers, 0 to 1.
        ease: how far it stands off the body, in statures.
    """

    colour: Colour
    tile: np.ndarray | None
    length: float
    ease: float


@dataclass(frozen=True)
class Outfit:
    """Everything about a person's looks that is not the body.

    Attributes:
        skin: (blue, green, red).
        hair: (blue, green, red).
        hair_style: bald, short, bob, long or tail.
        top: shirt; ``length`` counts along the arm (0.4 is a short sleeve).
        bottom: trousers or shorts; ``length`` counts along the leg (0.45 is shorts).
        skirt: length of a skirt along the thigh, or 0.
        shoe: colour of the shoes.
        hat: colour of a cap, or None.
        bag: colour of a backpack, or None.
        print_colour: colour of a print on the chest, or None.
        opening: whether the shirt has a button line at the front.
    """

    skin: Colour
    hair: Colour
    hair_style: str
    top: Garment
    bottom: Garment
    skirt: float
    shoe: Colour
    hat: Colour | None
    bag: Colour | None
    print_colour: Colour | None
    opening: bool


def sample_outfit(rng: np.random.Generator, backdrop: Colour) -> Outfit:
    """Dress one person; every seventh shirt has nearly the colour of the backdrop."""
    top_colour = _cloth_colour(rng)
    if rng.random() < 0.15:
        top_colour = _near(rng, backdrop, 14)
    sleeve = pick(rng, (0.12, 0.4, 0.45, 0.97, 1.0), (0.12, 0.28, 0.15, 0.25, 0.2))
    hem = pick(rng, (0.4, 0.55, 0.97), (0.2, 0.15, 0.65))
    return Outfit(
        skin=_skin(rng),
        hair=_near(rng, HAIRS[rng.integers(len(HAIRS))], 12),
        hair_style=pick(rng, HAIR_STYLES, (0.08, 0.42, 0.2, 0.18, 0.12)),
        top=_garment(rng, top_colour, sleeve, float(rng.uniform(0.003, 0.009))),
        bottom=_garment(rng, _cloth_colour(rng), hem, float(rng.uniform(0.003, 0.010))),
        skirt=float(rng.uniform(0.5, 1.0)) if rng.random() < 0.12 else 0.0,
        shoe=_cloth_colour(rng),
        hat=_cloth_colour(rng) if rng.random() < 0.14 else None,
        bag=_cloth_colour(rng) if rng.random() < 0.12 else None,
        print_colour=_cloth_colour(rng) if rng.random() < 0.35 else None,
        opening=bool(rng.random() < 0.4),
    )


def pick(rng: np.random.Generator, options: Sequence[T], weights: Sequence[float]) -> T:
    """Draw one option; ``weights`` sum to 1. Much faster than ``Generator.choice``."""
    left = rng.random()
    for option, weight in zip(options, weights, strict=True):
        left -= weight
        if left < 0:
            return option
    return options[-1]


def draw_colour(
    rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]
) -> Colour:
    """Draw a colour of any hue, saturation and value from ranges within 0 to 1."""
    hue, strength, light = rng.random(3)
    red, green, blue = hsv_to_rgb(
        hue,
        saturation[0] + strength * (saturation[1] - saturation[0]),
        value[0] + light * (value[1] - value[0]),
    )
    return int(255 * blue), int(255 * green), int(255 * red)


def draw_limb_colours(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """Return a skin and a cloth colour, for clutter that looks like a limb."""
    return _skin(rng), _cloth_colour(rng)


def _skin(rng: np.random.Generator) -> Colour:
    tones = SKINS if rng.random() < 0.8 else DARK_SKINS
    return _near(rng, tones[rng.integers(len(tones))], 10)


def _near(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    blue, green, red = (
        int(min(max(channel + shift, 6), 249))
        for channel, shift in zip(colour, rng.normal(0, spread, 3), strict=True)
    )
    return blue, green, red


def _cloth_colour(rng: np.random.Generator) -> Colour:
    """Draw black, white, grey, denim or anything of medium saturation."""
    kind = rng.random()
    if kind < 0.2:
        grey = (28, 60, 120, 185, 232)[rng.integers(5)]
        return _near(rng, (grey, grey, grey), 6)
    if kind < 0.35:
        return _near(rng, (120, 80, 52), 16)
    return draw_colour(rng, (0.15, 0.78), (0.2, 0.92))


def _garment(rng: np.random.Generator, colour: Colour, length: float, ease: float) -> Garment:
    pattern = PATTERNS[rng.integers(len(PATTERNS))]
    tile = None if pattern == "plain" else _tile(rng, pattern, colour, _cloth_colour(rng))
    if tile is not None:
        blue, green, red, _ = cv2.mean(tile)
        colour = int(blue), int(green), int(red)
    return Garment(colour, tile, length, ease)


def _tile(rng: np.random.Generator, pattern: str, first: Colour, second: Colour) -> np.ndarray:
    """Weave a (64, 64, 3) uint8 tile that repeats without a seam."""
    row, column = ROW, COLUMN
    period = (8, 16, 32)[rng.integers(3)]
    duty = rng.uniform(0.25, 0.6) * period
    if pattern == "hoops":
        mask = np.broadcast_to(row % period < duty, (TILE, TILE))
    elif pattern == "stripes":
        mask = np.broadcast_to(column % period < duty, (TILE, TILE))
    elif pattern == "checks":
        mask = ((row % period) < duty) ^ ((column % period) < duty)
    elif pattern == "dots":
        period = max(period, 16)
        centre = period / 2
        mask = np.hypot(row % period - centre, column % period - centre) < 0.28 * period
    elif pattern == "blocks":
        mask = np.broadcast_to(row < TILE // 2, (TILE, TILE))
    else:
        coarse = rng.standard_normal((8, 8)).astype(np.float32)
        mask = cv2.resize(np.tile(coarse, (3, 3)), (3 * TILE, 3 * TILE))[TILE:-TILE, TILE:-TILE] > 0
    return np.array([first, second], np.uint8)[mask.astype(np.intp)]
