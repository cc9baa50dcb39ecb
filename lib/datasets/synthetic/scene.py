"""One image: who stands where, in which order, behind what; and the picture of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from lib.datasets.synthetic.backdrop import (
    paint_occluder,
    paint_seat,
    paint_shadow,
    sample_place,
    scatter_clutter,
)
from lib.datasets.synthetic.body import pose_body, rotation, sample_build
from lib.datasets.synthetic.canvas import Canvas
from lib.datasets.synthetic.figure import paint_figure
from lib.datasets.synthetic.level import LEVELS, Level
from lib.datasets.synthetic.outfit import Outfit, sample_outfit
from lib.datasets.synthetic.poses import Pose, sample_pose
from lib.datasets.synthetic.solids import View

SPLITS = ("train", "val")
LABELS_PER_PERSON = 32  # person p owns labels 1 + 32 p ... 32 + 32 p; 0 is everything else
MOST_PEOPLE = 6
CROWD_LABEL = 1 + LABELS_PER_PERSON * MOST_PEOPLE
NOISE_LENGTH = 1 << 19
FULL = LEVELS["full"]


@dataclass(frozen=True)
class Person:
    """One rendered person.

    Attributes:
        view: its projected body.
        outfit: its looks.
        first_label: label of its first part in ``Scene.labels``.
        labelled: False for people whose joints nobody would annotate.
    """

    view: View
    outfit: Outfit
    first_label: int
    labelled: bool


@dataclass(frozen=True)
class Scene:
    """A finished image with everything known about it.

    Attributes:
        image: (H, W, 3) uint8 BGR, before JPEG compression.
        labels: (H, W) uint8; see ``LABELS_PER_PERSON``; ``CROWD_LABEL`` marks a crowd region.
        people: back to front.
        quality: JPEG quality, 1 to 100.
    """

    image: np.ndarray
    labels: np.ndarray
    people: tuple[Person, ...]
    quality: int


def scene_rng(seed: int, split: str, index: int) -> np.random.Generator:
    """Return the only source of randomness of image ``index`` of a split."""
    return np.random.default_rng([seed, SPLITS.index(split), index])


def render_scene(
    rng: np.random.Generator, size: tuple[int, int], people: tuple[int, int], level: Level = FULL
) -> Scene:
    """Compose and paint one image.

    Args:
        rng: source of every choice.
        size: ``(long, short)`` side in pixels; the image is upright or lying by a coin.
        people: lowest and highest number of people, 1 to ``MOST_PEOPLE``.
        level: how hard the picture is.
    """
    width, height = size if rng.random() < 0.5 else (size[1], size[0])
    canvas = Canvas(sample_place(rng, (width, height)))
    lamp_angle = rng.uniform(-np.pi, 0.0)
    lamp = (float(np.cos(lamp_angle)), float(np.sin(lamp_angle)))
    scatter_clutter(rng, canvas, int(rng.integers(0, level.clutter)))
    if rng.random() < 0.5:
        cv2.GaussianBlur(canvas.image, (0, 0), rng.uniform(0.6, 2.5), dst=canvas.image)
    if rng.random() < level.crowd_share:
        _paint_crowd(rng, canvas, lamp)
    views = _place_people(rng, canvas.size, people, level)
    backdrop = tuple(int(value) for value in cv2.mean(canvas.image)[:3])
    painted = [
        _paint_person(rng, canvas, view, pose, rank, backdrop, lamp, level.occluder_share)
        for rank, (view, pose) in enumerate(views)
    ]
    image = _develop(rng, canvas)
    return Scene(image, canvas.labels, tuple(painted), int(rng.integers(55, 96)))


def _place_people(
    rng: np.random.Generator, size: tuple[int, int], people: tuple[int, int], level: Level
) -> list[tuple[View, Pose]]:
    """Pose and place everybody, sorted back to front (nearly: small ones first)."""
    count = int(rng.integers(people[0], people[1] + 1))
    together = rng.random() < 0.45
    anchor = np.array([rng.uniform(0.3, 0.7), rng.uniform(0.45, 0.6)]) * size
    base = _stature(rng, count, size, level)
    placed = []
    for _ in range(count):
        stature = _stature(rng, count, size, level)
        if together:  # a group of friends: much the same distance
            span = 30.0 * _zoom(size), 400.0 * _zoom(size)
            stature = float(np.clip(base * rng.lognormal(0, 0.15), *span))
        pose = sample_pose(rng, level.legs, level.loose_share)
        view = _sample_view(rng, pose, stature, level)
        low, high = view.pixels.min(axis=0), view.pixels.max(axis=0)
        goal = _goal(rng, size, high - low, level.astray_share)
        if together:
            goal = anchor + rng.normal(0, (0.34, 0.08), 2) * stature
        shift = goal - (low + high) / 2
        centre = (float(shift[0]), float(shift[1]))
        placed.append((view.moved_to(centre, stature), pose))
    placed.sort(key=lambda entry: entry[0].stature * rng.lognormal(0, 0.15))
    return placed


def _stature(rng: np.random.Generator, count: int, size: tuple[int, int], level: Level) -> float:
    """Draw a height in pixels; the more people, the smaller.

    It is 30 to 400 pixels in images with a short side of 240, and grows with the image.
    """
    kind = rng.random()
    if kind < level.tiny_share:
        low, high = 30.0, 90.0
    elif kind < 1.0 - level.huge_share or count > 3:
        low, high = level.stature if count < 4 else (95.0, 220.0)
    else:
        low, high = 290.0, 400.0
    return float(np.exp(rng.uniform(np.log(low), np.log(high)))) * _zoom(size)


def _zoom(size: tuple[int, int]) -> float:
    """Size of an image relative to the one that ``_stature`` was made for."""
    return min(size) / 240.0


def _sample_view(rng: np.random.Generator, pose: Pose, stature: float, level: Level = FULL) -> View:
    """Turn a posed body before the camera; pelvis at the image origin."""
    faces = rng.random() < 1.0 - level.turned_share
    yaw = rng.normal(0, level.facing_spread) if faces else rng.uniform(-180, 180)
    roll, pitch = rng.normal(0, 4), float(np.clip(rng.normal(7, 8), -10, 40))
    if pose.legs == "lie":
        yaw = (-90.0, 90.0)[rng.integers(2)] + rng.normal(0, 25)
        pitch = abs(pitch) + 8
    body = pose_body(sample_build(rng), pose, rotation(roll, pitch, yaw))
    return View(body, (0.0, 0.0), stature, float(rng.uniform(0.0, 0.3)))


def _goal(
    rng: np.random.Generator, size: tuple[int, int], extent: np.ndarray, astray_share: float
) -> np.ndarray:
    """Draw where the middle of a person goes: inside if it fits, mostly."""
    room = np.array(size) - 1.12 * extent
    slack = np.maximum(room, 0.15 * np.array(size))
    if rng.random() < astray_share:
        slack = np.array(size) * 1.0  # anywhere, even half outside
    goal = np.array(size) / 2 + (rng.random(2) - 0.5) * slack
    if room[1] < 0:  # too tall for the image: rather lose the feet than the head
        goal[1] -= room[1] / 2 * rng.uniform(0.2, 1.1)
    return goal


def _paint_person(
    rng: np.random.Generator,
    canvas: Canvas,
    view: View,
    pose: Pose,
    rank: int,
    backdrop: tuple[int, ...],
    lamp: tuple[float, float],
    occluder_share: float,
) -> Person:
    """Paint shadow, seat, person, and sometimes something in front."""
    outfit = sample_outfit(rng, (backdrop[0], backdrop[1], backdrop[2]))
    first_label = 1 + LABELS_PER_PERSON * rank
    feet = np.stack([view.pixel("left_toe"), view.pixel("right_toe")])
    if pose.legs in ("sit", "sit_ground") and rng.random() < 0.7:
        paint_seat(rng, canvas, view.pixel("pelvis"), view.stature)
    ground = np.array([feet[:, 0].mean(), feet[:, 1].max()])
    paint_shadow(canvas, ground, 0.16 * view.stature, float(rng.uniform(0.1, 0.5)))
    paint_figure(canvas, view, outfit, first_label, lamp)
    if rng.random() < occluder_share:
        target = view.pixels[rng.integers(5, 17)]
        paint_occluder(rng, canvas, target, view.stature)
    unlabelled = rng.random() < (0.5 if view.stature < 45 else 0.02)
    return Person(view, outfit, first_label, labelled=not unlabelled)


def _paint_crowd(rng: np.random.Generator, canvas: Canvas, lamp: tuple[float, float]) -> None:
    """Paint a row of tiny people that share ``CROWD_LABEL``."""
    stature = float(rng.uniform(14, 30)) * _zoom(canvas.size)
    count = int(rng.integers(6, 15))
    start = rng.uniform(0.0, 0.6) * canvas.size[0]
    ground = rng.uniform(0.2, 0.6) * canvas.size[1]
    before = canvas.labels.copy()
    for number in range(count):
        view = _sample_view(rng, sample_pose(rng), stature)
        x = start + 0.45 * stature * number
        y = ground + rng.normal(0, 0.1 * stature)
        view = view.moved_to((float(x), float(y)), stature)
        paint_figure(canvas, view, sample_outfit(rng, (128, 128, 128)), 1, lamp)
    canvas.labels[canvas.labels != before] = CROWD_LABEL


def _develop(rng: np.random.Generator, canvas: Canvas) -> np.ndarray:
    """Multiply colour by light; add exposure, blur and sensor noise."""
    light = cv2.cvtColor(canvas.light, cv2.COLOR_GRAY2BGR)
    image = cv2.multiply(canvas.image, light, scale=float(rng.uniform(0.75, 1.2)) / 128)
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.3)))
    if rng.random() < 0.15:  # the camera moved
        length = int(rng.integers(3, 7))
        kernel = np.full((1, length), 1.0 / length, np.float32)
        image = cv2.filter2D(image, -1, kernel if rng.random() < 0.5 else kernel.T)
    return _add_noise(image, int(rng.integers(NOISE_LENGTH)), float(rng.uniform(0.5, 9.0)))


def _add_noise(image: np.ndarray, start: int, sigma: float) -> np.ndarray:
    """Add normal noise, in grey levels, cut from one long strip at ``start``."""
    strip = _noise()[start : start + image.size]
    noise = np.resize(strip, image.size).reshape(image.shape)
    return cv2.addWeighted(image, 1.0, noise, sigma, 0.0, dtype=cv2.CV_8U)


@lru_cache(maxsize=1)
def _noise() -> np.ndarray:
    """A strip of normal noise, float32, twice as long as there are places to start."""
    return np.random.default_rng(0).standard_normal(2 * NOISE_LENGTH, dtype=np.float32)
