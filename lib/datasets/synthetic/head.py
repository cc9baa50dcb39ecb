"""Heads: skull, hair, face, ears and caps, painted so that front, side and back differ."""

from __future__ import annotations

from dataclasses import replace
from math import copysign, sqrt

import numpy as np

from lib.datasets.synthetic.body import FACE_HORIZON, FACE_NORMALS, HEAD_AXES
from lib.datasets.synthetic.canvas import FATNESS, capsule, ellipse, hull
from lib.datasets.synthetic.outfit import Colour, Outfit
from lib.datasets.synthetic.solids import Mark, Solid, View, depth_gain, shade

LIPS = (86, 78, 170)
EYE_WHITE = (236, 238, 240)
PUPIL = (34, 30, 28)
SMALLEST_FACE = 36.0  # statures below this many pixels get no eyes: nobody would see them
COVERS_EARS = ("bob", "long")


def seen_from_front(head: np.ndarray, joint: str) -> bool:
    """Return whether a face joint looks toward the viewer under the head rotation (3, 3)."""
    return float(head[2] @ FACE_NORMALS[joint]) > FACE_HORIZON[joint]


def head_solids(view: View, outfit: Outfit) -> list[Solid]:
    """Return neck, skull, face, hair, ears and cap; their depths keep them in painting order."""
    facing = float(view.body.head[2, 2])
    face = [_face(view, outfit)]
    hair = [] if outfit.hair_style == "bald" else [_hair(view, outfit)]
    skull = _ball(view, "head", (0.0, 0.0, 0.0), HEAD_AXES, outfit.skin)
    layers = [skull, *hair, *face] if facing > -0.12 else [skull, *face, *hair]
    layers += [*_ears(view, outfit), *_nose(view, outfit)]
    if outfit.hat is not None:
        brim, dome = _cap(view, outfit.hat)
        layers += [dome, brim] if facing > -0.2 else [brim, dome]
    depth = view.depth("head") + 0.02
    gain = depth_gain(depth)
    ordered = [
        replace(solid, depth=depth + 1e-4 * rank, gain=gain) for rank, solid in enumerate(layers)
    ]
    return [*ordered, *_long_hair(view, outfit)]


def _ball(
    view: View,
    part: str,
    place: tuple[float, float, float],
    axes: tuple[float, float, float],
    colour: tuple[int, int, int],
    marks: tuple[Mark, ...] = (),
) -> Solid:
    """Project an ellipsoid given in the head frame, in units of an average head."""
    size = view.body.build.head
    centre = view.on(view.body.head, "head", size * np.array([place]))[0]
    spread = view.body.head[:2] * (np.array(axes) * (size * view.scale("head")))  # (2, 3)
    spread[1] *= -1.0  # image y points down
    # the outline of an ellipsoid is the ellipse of the Cholesky factor of its projected spread
    (xx, xy), (_, yy) = (spread @ spread.T).tolist()
    wide = sqrt(xx) + 1e-6
    high = sqrt(max(yy - (xy / wide) ** 2, 0.0)) + 1e-6
    radius = sqrt(wide * high)
    thin = max(radius - FATNESS, 0.3) / radius
    outline = np.array([[thin * wide, 0.0], [thin * xy / wide, thin * high]])
    return Solid(part, ellipse(centre, outline), 0.0, colour, marks=marks)


def _face(view: View, outfit: Outfit) -> Solid:
    marks: list[Mark] = []
    if view.stature >= SMALLEST_FACE:
        for joint in ("left_eye", "right_eye"):
            if seen_from_front(view.body.head, joint):
                marks += _eye(view, outfit, joint)
        if float(view.body.head[2, 2]) > 0.15:
            marks.append(_patch(view, (0.0, -0.036, 0.046), (0.016, 0.005), LIPS))
    place, axes = (0.0, -0.014, 0.022), (0.044, 0.056, 0.036)
    return _ball(view, "head", place, axes, outfit.skin, tuple(marks))


def _eye(view: View, outfit: Outfit, joint: str) -> list[Mark]:
    sign = 1.0 if joint == "left_eye" else -1.0
    eye = (sign * 0.020, 0.010, 0.052)
    return [
        _patch(view, (sign * 0.020, 0.025, 0.052), (0.013, 0.004), shade(outfit.hair, 0.8)),
        _patch(view, eye, (0.012, 0.009), EYE_WHITE),
        _patch(view, eye, (0.007, 0.008), PUPIL),
    ]


def _patch(
    view: View,
    place: tuple[float, float, float],
    axes: tuple[float, float],
    colour: tuple[int, int, int],
) -> Mark:
    """Return an ellipse that lies flat on the front of the head."""
    size = view.body.build.head
    centre = view.on(view.body.head, "head", size * np.array([place]))[0]
    spread = view.body.head[:2, :2] * (np.array(axes) * (size * view.scale("head")))
    spread[1] *= -1.0
    return Mark(ellipse(centre, spread).outline, colour)


def _nose(view: View, outfit: Outfit) -> list[Solid]:
    if not seen_from_front(view.body.head, "nose") or view.stature < SMALLEST_FACE:
        return []
    wedge = np.array(
        [[0.0, 0.012, 0.053], [-0.011, -0.020, 0.053], [0.011, -0.020, 0.053], [0.0, -0.014, 0.069]]
    )
    corners = view.on(view.body.head, "head", view.body.build.head * wedge)
    shape = hull(corners, corners[[0, 3]])
    return [Solid("head", shape, 0.0, shade(outfit.skin, 0.86))]


def _ears(view: View, outfit: Outfit) -> list[Solid]:
    if outfit.hair_style in COVERS_EARS:
        return []
    return [
        _ball(
            view, "head", (sign * 0.050, 0.0, 0.0), (0.008, 0.017, 0.011), shade(outfit.skin, 0.9)
        )
        for joint, sign in (("left_ear", 1.0), ("right_ear", -1.0))
        if seen_from_front(view.body.head, joint)
    ]


def _hair(view: View, outfit: Outfit) -> Solid:
    return _ball(view, "hair", (0.0, 0.014, -0.016), (0.054, 0.066, 0.056), outfit.hair)


def _long_hair(view: View, outfit: Outfit) -> list[Solid]:
    """Return the hair that hangs behind the neck; its own depth puts it before or behind."""
    reach = {"bob": (0.045, -0.055), "long": (0.047, -0.125), "tail": (0.017, -0.120)}
    if outfit.hair_style not in reach:
        return []
    width, low = reach[outfit.hair_style]
    size = view.body.build.head
    back = np.array([[0.0, 0.01, -0.035], [0.0, low, -0.045]])
    if outfit.hair_style == "tail":
        back = np.array([[0.0, 0.02, -0.070], [0.0, low, -0.085]])
    ends = view.on(view.body.head, "head", size * back)
    radius = width * size * view.scale("head")
    depth = view.depth("head") + float((view.body.head @ (size * back.mean(axis=0)))[2])
    # hair hangs close to the back: seen from behind it covers head and collar
    depth += copysign(0.03, depth - view.depth("head"))
    shape = capsule(ends[0], ends[1], (radius, radius, 0.85 * radius))
    return [Solid("hair", shape, depth, outfit.hair)]


def _cap(view: View, colour: Colour) -> tuple[Solid, Solid]:
    dome = _ball(view, "hat", (0.0, 0.050, -0.004), (0.056, 0.036, 0.062), colour)
    corners = np.array(
        [
            [-0.040, 0.030, 0.040],
            [0.040, 0.030, 0.040],
            [0.028, 0.024, 0.105],
            [-0.028, 0.024, 0.105],
        ]
    )
    corners = np.concatenate([corners, corners + np.array([0.0, 0.008, 0.0])])
    pixels = view.on(view.body.head, "head", view.body.build.head * corners)
    axis = np.stack([pixels[:2].mean(axis=0), pixels[2:4].mean(axis=0)])
    return Solid("hat", hull(pixels, axis), 0.0, shade(colour, 0.8)), dome
