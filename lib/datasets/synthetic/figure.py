"""From a projected body and an outfit to painted solids, back to front."""

from __future__ import annotations

from math import copysign

import numpy as np

from lib.datasets.synthetic.body import POINT, SIDES, project
from lib.datasets.synthetic.canvas import Canvas, capsule, hull
from lib.datasets.synthetic.head import head_solids
from lib.datasets.synthetic.outfit import Colour, Garment, Outfit
from lib.datasets.synthetic.solids import PART, Mark, Solid, View, depth_gain, shade

RING = np.stack([np.cos(t := np.linspace(0, 2 * np.pi, 12, endpoint=False)), np.sin(t)], axis=1)
# Trunk cross-sections: (point, height above it, half width, half depth), in statures.
SHIRT_RINGS = (
    ("pelvis", -0.028, 0.082, 0.062),
    ("pelvis", 0.040, 0.076, 0.058),
    ("waist", 0.010, 0.070, 0.054),
    ("thorax", -0.075, 0.088, 0.060),
    ("thorax", -0.012, 0.100, 0.042),
)
HIP_RINGS = (("pelvis", -0.058, 0.082, 0.060), ("pelvis", 0.045, 0.076, 0.058))
FRAMES = {"pelvis": "pelvis", "waist": "chest", "thorax": "chest"}

# Radii in statures at start, middle, end; then how far it is moved toward the viewer in sorting.
UPPER_ARM = ("upper_arm", "shoulder", "elbow", (0.035, 0.029, 0.024), 0.016)
FOREARM = ("forearm", "elbow", "wrist", (0.024, 0.0235, 0.016), 0.020)
HAND = ("hand", "wrist", "hand", (0.015, 0.021, 0.017), 0.024)
THIGH = ("thigh", "hip", "knee", (0.056, 0.047, 0.036), -0.012)
SHIN = ("shin", "knee", "ankle", (0.036, 0.036, 0.021), 0.0)
FOOT = ("foot", "heel", "toe", (0.022, 0.026, 0.019), 0.010)
TEXEL = 0.0035  # size of a texel of cloth, in statures
Limb = tuple[str, str, str, tuple[float, float, float], float]


def paint_figure(
    canvas: Canvas, view: View, outfit: Outfit, first_label: int, lamp: tuple[float, float]
) -> None:
    """Paint one person; a pixel that shows part ``p`` gets label ``first_label + PART[p]``.

    Args:
        canvas: painted in place.
        view: the projected body.
        outfit: colours and garments.
        first_label: label of part 0; labels of one person are consecutive.
        lamp: unit vector toward the light, in the image plane.
    """
    for solid in sorted(figure_solids(view, outfit), key=lambda solid: solid.depth):
        label = first_label + PART[solid.part]
        if not canvas.solid(solid.shape, solid.colour, label, lamp=lamp, gain=solid.gain):
            continue
        if solid.tile is not None and solid.axis is not None:
            canvas.weave(solid.shape, solid.axis, solid.tile, TEXEL * view.stature)
        for mark in solid.marks:
            canvas.paint(mark.polygon, mark.colour)


def figure_solids(view: View, outfit: Outfit) -> list[Solid]:
    """Return every solid of one person, unsorted."""
    solids = [*_trunk(view, outfit), *head_solids(view, outfit)]
    for side in SIDES:
        solids += _clothed(view, side, UPPER_ARM, outfit.skin, outfit.top, 2 * outfit.top.length)
        solids += _clothed(view, side, FOREARM, outfit.skin, outfit.top, 2 * outfit.top.length - 1)
        solids += _hand(view, side, outfit)
        trousers = 0.0 if outfit.skirt else 2 * outfit.bottom.length
        solids += _clothed(view, side, THIGH, outfit.skin, outfit.bottom, trousers)
        solids += _clothed(view, side, SHIN, outfit.skin, outfit.bottom, trousers - 1)
        solids.append(_limb(view, side, FOOT, outfit.shoe))
    if outfit.skirt:
        solids.append(_skirt(view, outfit))
    if outfit.bag is not None:
        solids.append(_bag(view, outfit.bag))
    return solids


def _limb(
    view: View,
    side: str,
    limb: Limb,
    colour: Colour,
    *,
    share: float = 1.0,
    ease: float = 0.0,
    tile: np.ndarray | None = None,
) -> Solid:
    """Cut a capsule around the first ``share`` of a limb, ``ease`` statures off the skin."""
    part, start, end, (thick, middle, thin), bias = limb
    start, end = f"{side}_{start}", f"{side}_{end}"
    first, last = view.pixel(start), view.pixel(end)
    scale, girth = view.scale(start, end), view.body.build.girth
    if share < 1.0:  # the sleeve ends between the middle and the end of the limb, or before
        thin = middle + (2 * share - 1) * (thin - middle if share > 0.5 else middle - thick)
        middle = (thick + thin) / 2
    radii = [scale * (girth * radius + ease) for radius in (thick, middle, thin)]
    stop = first + share * (last - first)
    depth = view.depth(start, end)
    return Solid(
        f"{side}_{part}",
        capsule(first, stop, (radii[0], radii[1], radii[2])),
        depth + bias,
        colour,
        depth_gain(depth),
        tile,
        np.stack([first, stop]) if tile is not None else None,
    )


def _clothed(
    view: View, side: str, limb: Limb, skin: Colour, garment: Garment, cover: float
) -> list[Solid]:
    """Return the bare limb and the cloth over its first ``cover``; one of them if that is all."""
    bare = _limb(view, side, limb, skin)
    if cover < 0.3:
        return [bare]
    share = min(cover, 1.0)
    cloth = _limb(
        view, side, limb, garment.colour, share=share, ease=garment.ease, tile=garment.tile
    )
    return [cloth] if share > 0.95 else [bare, cloth]


def _hand(view: View, side: str, outfit: Outfit) -> list[Solid]:
    palm = _limb(view, side, HAND, outfit.skin)
    wrist, thumb = view.pixel(f"{side}_wrist"), view.pixel(f"{side}_thumb")
    radius = 0.009 * view.stature
    finger = capsule(wrist, thumb, (radius, radius, radius))
    return [Solid(palm.part, finger, palm.depth - 1e-3, outfit.skin, palm.gain), palm]


def _rings(
    view: View, rings: tuple[tuple[str, float, float, float], ...], ease: float
) -> np.ndarray:
    """Project trunk cross-sections to (12 x rings, 2) pixels."""
    girth, wide = view.body.build.girth, view.body.build.shoulders
    points = []
    for point, height, width, depth in rings:
        frame = getattr(view.body, FRAMES[point])
        half_width = width * (wide if point == "thorax" else girth) + ease
        basis = np.stack([half_width * frame[:, 0], (depth * girth + ease) * frame[:, 2]])
        points.append(view.body.points[POINT[point]] + height * frame[:, 1] + RING @ basis)
    return project(np.concatenate(points), view.centre, view.stature, view.perspective)[0]


def _trunk(view: View, outfit: Outfit) -> list[Solid]:
    """Return neck, hips and shirt."""
    spine = np.stack([view.pixel("thorax"), view.pixel("pelvis")])
    depth = view.depth("pelvis", "waist", "thorax")
    gain = depth_gain(depth)
    scale = view.scale("thorax") * view.body.build.girth
    collar, chin = view.pixel("thorax"), view.pixel("upper_neck")
    neck = capsule(collar, chin, (0.034 * scale, 0.028 * scale, 0.027 * scale))
    hips = hull(_rings(view, HIP_RINGS, outfit.bottom.ease), spine)
    shirt = hull(_rings(view, SHIRT_RINGS, outfit.top.ease), spine)
    bottom, top = outfit.bottom, outfit.top
    return [
        Solid("neck", neck, view.depth("neck") - 0.01, outfit.skin, gain),
        Solid(
            "hips",
            hips,
            view.depth("pelvis") - 0.006,
            bottom.colour,
            gain,
            bottom.tile,
            spine,
            _pockets(view, outfit),
        ),
        Solid("torso", shirt, depth, top.colour, gain, top.tile, spine, _shirt_marks(view, outfit)),
    ]


def _shirt_marks(view: View, outfit: Outfit) -> tuple[Mark, ...]:
    """Return neckline, button line, print and straps at the front; a yoke seam at the back."""
    facing = float(view.body.chest[2, 2])
    front = 0.058 * view.body.build.girth + outfit.top.ease
    if facing < -0.2:
        seam = _chest_patch(
            view, ((-0.08, -0.052), (0.08, -0.052), (0.08, -0.060), (-0.08, -0.060)), -front
        )
        return (Mark(seam, shade(outfit.top.colour, 0.7)),)
    if facing < 0.2:
        return ()
    marks = [
        Mark(
            _chest_patch(view, ((-0.034, 0.012), (0.034, 0.012), (0.0, -0.052)), 0.9 * front),
            outfit.skin,
        )
    ]
    if outfit.opening:
        line = ((-0.005, -0.045), (0.005, -0.045), (0.005, -0.26), (-0.005, -0.26))
        marks.append(Mark(_chest_patch(view, line, front), shade(outfit.top.colour, 0.6)))
    elif outfit.print_colour is not None:
        block = ((-0.036, -0.075), (0.036, -0.075), (0.030, -0.135), (-0.030, -0.135))
        marks.append(Mark(_chest_patch(view, block, front), outfit.print_colour))
    if outfit.bag is not None:
        for x in (-0.066, 0.066):
            strap = ((x - 0.010, 0.004), (x + 0.010, 0.004), (x + 0.012, -0.15), (x - 0.006, -0.15))
            marks.append(Mark(_chest_patch(view, strap, 0.9 * front), shade(outfit.bag, 0.85)))
    return tuple(marks)


def _chest_patch(view: View, corners: tuple[tuple[float, float], ...], z: float) -> np.ndarray:
    """Project a polygon on the chest plane at depth z, corners relative to the thorax."""
    places = np.array([(x, y, z) for x, y in corners])
    return view.on(view.body.chest, "thorax", places)


def _pockets(view: View, outfit: Outfit) -> tuple[Mark, ...]:
    """Return back pockets, or the fly at the front."""
    facing = float(view.body.pelvis[2, 2])
    if abs(facing) < 0.2 or outfit.skirt:
        return ()
    colour = shade(outfit.bottom.colour, 0.7)
    depth = 0.060 * view.body.build.girth * np.sign(facing)
    if facing > 0:
        fly = np.array([[-0.004, 0.03, depth], [0.004, 0.03, depth], [0.0, -0.045, depth]])
        return (Mark(view.on(view.body.pelvis, "pelvis", fly), colour),)
    pocket = np.array([[-0.020, 0.0], [0.020, 0.0], [0.018, -0.036], [-0.018, -0.036]])
    marks = []
    for x in (-0.040, 0.040):
        places = np.column_stack([pocket[:, 0] + x, pocket[:, 1], np.full(4, depth)])
        marks.append(Mark(view.on(view.body.pelvis, "pelvis", places), colour))
    return tuple(marks)


def _skirt(view: View, outfit: Outfit) -> Solid:
    radius = (0.062 * view.body.build.girth + 0.018) * view.stature
    left, right = (_along(view, side, outfit.skirt) for side in SIDES)
    axis = np.stack([view.pixel("pelvis"), (left + right) / 2])
    rings = [
        _rings(view, HIP_RINGS, outfit.bottom.ease),
        RING * radius + left,
        RING * radius + right,
    ]
    depth = max(view.depth(f"{side}_hip", f"{side}_knee") for side in SIDES) - 0.004
    shape = hull(np.concatenate(rings), axis)
    colour, tile = outfit.bottom.colour, outfit.bottom.tile
    return Solid("skirt", shape, depth, colour, depth_gain(depth), tile, axis)


def _along(view: View, side: str, share: float) -> np.ndarray:
    hip, knee = view.pixel(f"{side}_hip"), view.pixel(f"{side}_knee")
    return hip + share * (knee - hip)


def _bag(view: View, colour: Colour) -> Solid:
    low, high = np.array([-0.068, -0.205, -0.125]), np.array([0.068, -0.020, -0.050])
    corners = np.array(
        [(x, y, z) for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
    )
    pixels = view.on(view.body.chest, "thorax", corners)
    depth = view.depth("thorax") + float((view.body.chest @ ((low + high) / 2))[2])
    # seen from behind it lies over the hanging hair and the shoulders
    depth += copysign(0.02, depth - view.depth("thorax"))
    centre = pixels.mean(axis=0)
    return Solid("bag", hull(pixels, np.stack([centre, centre])), depth, colour, depth_gain(depth))
