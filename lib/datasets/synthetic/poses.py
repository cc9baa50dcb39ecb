"""What people do: joint angles of everyday activities, with spreads and anatomical limits.

Angles are in degrees. Every activity is a row of deviations from standing upright with hanging
arms; sides are drawn as ``near``/``far`` and assigned to left and right by a coin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TRUNK = ("bend", "lean", "twist", "head_yaw", "head_pitch", "head_tilt", "fall", "roll")
LIMB = (
    "shoulder_flex",
    "shoulder_spread",
    "shoulder_turn",
    "elbow",
    "hip_flex",
    "hip_spread",
    "hip_turn",
    "knee",
    "foot",
)

# Range of each joint of a healthy adult, rounded inward: (lowest, highest).
LIMITS = {
    "bend": (-20, 75),
    "lean": (-30, 30),
    "twist": (-40, 40),
    "head_yaw": (-70, 70),
    "head_pitch": (-35, 40),
    "head_tilt": (-25, 25),
    "fall": (-110, 110),
    "roll": (-180, 180),
    "shoulder_flex": (-50, 175),
    "shoulder_spread": (-20, 175),
    "shoulder_turn": (-90, 90),
    "elbow": (0, 150),
    "hip_flex": (-25, 125),
    "hip_spread": (-15, 65),
    "hip_turn": (-35, 45),
    "knee": (0, 150),
    "foot": (-30, 45),
}

# Spread in degrees where an activity does not say otherwise.
SPREADS = {
    "bend": 6,
    "lean": 5,
    "twist": 10,
    "head_yaw": 20,
    "head_pitch": 10,
    "head_tilt": 6,
    "fall": 3,
    "roll": 4,
    "shoulder_flex": 12,
    "shoulder_spread": 8,
    "shoulder_turn": 20,
    "elbow": 15,
    "hip_flex": 8,
    "hip_spread": 4,
    "hip_turn": 8,
    "knee": 6,
    "foot": 8,
}

REST = {"shoulder_spread": 10, "elbow": 12, "hip_spread": 4, "hip_turn": 8, "knee": 4}

# Legs of an activity: name -> (weight, angles of the trunk, of the near side, of the far side).
LEGS: dict[str, tuple[float, dict[str, float], dict[str, float], dict[str, float]]] = {
    "stand": (3.0, {}, {}, {}),
    "contrapposto": (1.5, {"lean": 6}, {"hip_flex": 14, "knee": 24}, {"hip_spread": 8}),
    "walk": (2.5, {"bend": 3}, {"hip_flex": 26, "knee": 8}, {"hip_flex": -16, "knee": 22}),
    "run": (
        2.0,
        {"bend": 12},
        {"hip_flex": 62, "knee": 75},
        {"hip_flex": -16, "knee": 55, "foot": 25},
    ),
    "wide": (1.2, {}, {"hip_spread": 28}, {"hip_spread": 28}),
    "sit": (
        2.2,
        {"bend": 4},
        {"hip_flex": 84, "knee": 82, "hip_spread": 10},
        {"hip_flex": 84, "knee": 82, "hip_spread": 10},
    ),
    "sit_ground": (
        1.0,
        {"bend": 10},
        {"hip_flex": 80, "knee": 20, "hip_spread": 12},
        {"hip_flex": 100, "knee": 105, "hip_spread": 12},
    ),
    "squat": (
        1.0,
        {"bend": 28, "fall": 18},
        {"hip_flex": 105, "knee": 125, "hip_spread": 20},
        {"hip_flex": 105, "knee": 125, "hip_spread": 20},
    ),
    "kneel": (0.8, {}, {"hip_flex": 85, "knee": 90}, {"hip_flex": -5, "knee": 88, "foot": 40}),
    "lunge": (1.0, {"bend": 5}, {"hip_flex": 70, "knee": 75}, {"hip_flex": -20, "knee": 25}),
    "bow": (1.2, {"bend": 58, "fall": 22}, {"hip_flex": 26}, {"hip_flex": 24, "knee": 8}),
    "kick": (0.8, {"bend": -6, "fall": -8}, {"hip_flex": 75, "knee": 20, "foot": 20}, {}),
    "jump": (
        0.8,
        {"bend": -4},
        {"hip_flex": 20, "hip_spread": 25, "knee": 55},
        {"hip_flex": 5, "hip_spread": 25, "knee": 65},
    ),
    "lie": (
        1.3,
        {"fall": -88, "head_pitch": 10},
        {"hip_flex": 12, "knee": 14, "foot": 25},
        {"hip_flex": 30, "knee": 45, "foot": 25},
    ),
    "upside": (0.25, {"roll": 172}, {"hip_spread": 12}, {"hip_flex": 25, "knee": 40}),
}

# Arms: name -> (weight, near side, far side).
ARMS: dict[str, tuple[float, dict[str, float], dict[str, float]]] = {
    "hang": (2.5, {}, {}),
    "swing": (
        2.0,
        {"shoulder_flex": 32, "elbow": 40},
        {"shoulder_flex": -28, "elbow": 30},
    ),
    "pump": (
        1.2,
        {"shoulder_flex": 45, "elbow": 100, "shoulder_turn": 20},
        {"shoulder_flex": -40, "elbow": 95},
    ),
    "hip": (
        1.2,
        {"shoulder_spread": 45, "shoulder_flex": -20, "elbow": 100, "shoulder_turn": 70},
        {"shoulder_spread": 45, "shoulder_flex": -20, "elbow": 100, "shoulder_turn": 70},
    ),
    "wave": (1.3, {"shoulder_spread": 135, "elbow": 50, "shoulder_turn": -60}, {}),
    "cheer": (
        1.2,
        {"shoulder_spread": 150, "elbow": 25},
        {"shoulder_spread": 150, "elbow": 25},
    ),
    "spread": (1.0, {"shoulder_spread": 88, "elbow": 10}, {"shoulder_spread": 88, "elbow": 10}),
    "reach": (1.2, {"shoulder_flex": 85, "elbow": 18}, {"shoulder_flex": 70, "elbow": 30}),
    "point": (1.0, {"shoulder_flex": 88, "elbow": 6}, {}),
    "cross": (
        1.0,
        {"shoulder_flex": 32, "elbow": 105, "shoulder_turn": 65},
        {"shoulder_flex": 36, "elbow": 100, "shoulder_turn": 62},
    ),
    "phone": (
        1.0,
        {"shoulder_flex": 45, "shoulder_spread": 25, "elbow": 140, "shoulder_turn": 10},
        {},
    ),
    "hold": (
        1.4,
        {"shoulder_flex": 18, "elbow": 88, "shoulder_turn": 15},
        {"shoulder_flex": 18, "elbow": 88, "shoulder_turn": 15},
    ),
}

LOOSE_SPREAD = 2.2  # the spreads of people who move in no way that has a name grow by this


@dataclass(frozen=True)
class Pose:
    """One person's joint angles.

    Attributes:
        legs: name of the row of ``LEGS`` it started from.
        trunk: degrees by the names of ``TRUNK``.
        left: degrees by the names of ``LIMB``, the person's own left.
        right: the same for the right side.
    """

    legs: str
    trunk: dict[str, float]
    left: dict[str, float]
    right: dict[str, float]


def sample_pose(
    rng: np.random.Generator, activities: Sequence[str] = tuple(LEGS), loose_share: float = 0.12
) -> Pose:
    """Draw an activity for the legs and one for the arms, spread the angles, clip to the limits.

    Args:
        rng: source of every choice.
        activities: rows of ``LEGS`` to draw from.
        loose_share: probability, 0 to 1, of a pose that has no name.
    """
    legs = _choose(rng, {name: LEGS[name] for name in activities})
    arms = _choose(rng, ARMS)
    _, trunk, leg_near, leg_far = LEGS[legs]
    _, arm_near, arm_far = ARMS[arms]
    looseness = LOOSE_SPREAD if rng.random() < loose_share else 1.0
    if rng.random() < 0.5:
        arm_near, arm_far = arm_far, arm_near
    near = _spread(rng, LIMB, {**REST, **leg_near, **arm_near}, looseness)
    far = _spread(rng, LIMB, {**REST, **leg_far, **arm_far}, looseness)
    left, right = (near, far) if rng.random() < 0.5 else (far, near)
    if legs == "lie":  # on the back, on the belly, or on a side
        trunk = {**trunk, "fall": (-88.0, 88.0)[rng.integers(2)], "roll": rng.normal(0, 12)}
    return Pose(legs, _spread(rng, TRUNK, trunk, looseness), left, right)


def _choose(rng: np.random.Generator, table: dict) -> str:
    left = rng.random() * sum(row[0] for row in table.values())
    for name, row in table.items():
        left -= row[0]
        if left < 0:
            return name
    return next(iter(table))


def _spread(
    rng: np.random.Generator,
    names: tuple[str, ...],
    means: dict[str, float],
    looseness: float,
) -> dict[str, float]:
    """Draw each named angle around its mean and clip it to ``LIMITS``."""
    noise = rng.standard_normal(len(names))
    return {
        name: float(
            min(
                max(means.get(name, 0.0) + looseness * SPREADS[name] * draw, LIMITS[name][0]),
                LIMITS[name][1],
            )
        )
        for name, draw in zip(names, noise, strict=True)
    }
