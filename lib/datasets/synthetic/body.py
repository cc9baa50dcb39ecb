"""A person in three dimensions: proportions, forward kinematics, projection.

Frame: x to the right of the image, y up, z toward the viewer; unit is the person's stature; the
origin is the pelvis. A person at rest faces the viewer, so the own left side is at positive x.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np

from lib.datasets.synthetic.poses import Pose

SIDES = ("left", "right")
# Points of a body, by row of ``Body.points``: COCO joints, then those of MPII and CrowdPose, then
# helpers of the painter.
POINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear",
    *(f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist") for side in SIDES),
    *(f"{side}_{joint}" for joint in ("hip", "knee", "ankle") for side in SIDES),
    "pelvis", "thorax", "neck", "upper_neck", "head_top", "head", "waist",
    *(f"{side}_{joint}" for joint in ("hand", "thumb", "heel", "toe") for side in SIDES),
)  # fmt: skip
POINT = {name: row for row, name in enumerate(POINTS)}

HEAD_AXES = (0.049, 0.070, 0.058)  # half width, half height, half depth of the skull
# Direction in which each face joint looks (head frame): it is seen while this points forward.
FACE_NORMALS = {
    "nose": (0.0, 0.0, 1.0),
    "left_eye": (0.35, 0.0, 0.94),
    "right_eye": (-0.35, 0.0, 0.94),
    "left_ear": (1.0, 0.0, 0.0),
    "right_ear": (-1.0, 0.0, 0.0),
}
# Nose and ears stand out of the head: they are seen until they point this far away (z).
FACE_HORIZON = {
    "nose": -0.10,
    "left_eye": 0.12,
    "right_eye": 0.12,
    "left_ear": -0.18,
    "right_ear": -0.18,
}
_FACE = {
    "nose": (0.0, -0.010, 0.064),
    "left_eye": (0.020, 0.010, 0.052),
    "right_eye": (-0.020, 0.010, 0.052),
    "left_ear": (0.050, 0.000, 0.000),
    "right_ear": (-0.050, 0.000, 0.000),
}


@dataclass(frozen=True)
class Build:
    """Proportions, as factors of an average adult's (1.0).

    Attributes:
        legs: length of thigh and shin.
        arms: length of upper arm, forearm and hand.
        trunk: length of the trunk.
        head: size of the head; children have large ones.
        shoulders: breadth of the shoulders.
        girth: thickness of limbs and trunk.
    """

    legs: float
    arms: float
    trunk: float
    head: float
    shoulders: float
    girth: float


@dataclass(frozen=True)
class Body:
    """A posed body seen by the camera, in the frame of this module.

    Attributes:
        points: (P, 3) float64, rows as in ``POINTS``.
        pelvis: (3, 3) rotation of the pelvis.
        chest: (3, 3) rotation of the chest.
        head: (3, 3) rotation of the head.
        build: the proportions it was made with.
    """

    points: np.ndarray
    pelvis: np.ndarray
    chest: np.ndarray
    head: np.ndarray
    build: Build

    def point(self, name: str) -> np.ndarray:
        """Return the (3,) position of a named point."""
        return self.points[POINT[name]]


def sample_build(rng: np.random.Generator) -> Build:
    """Draw an adult, or (every sixth) a child with a large head and short legs."""
    spread = rng.normal(1.0, 0.05, 5)
    child = rng.random() < 0.17
    return Build(
        legs=float(np.clip(spread[0], 0.88, 1.12)) * (0.88 if child else 1.0),
        arms=float(np.clip(spread[1], 0.88, 1.12)) * (0.92 if child else 1.0),
        trunk=float(np.clip(spread[2], 0.9, 1.1)),
        head=float(np.clip(spread[3], 0.9, 1.1)) * (1.35 if child else 1.08),
        shoulders=float(np.clip(spread[4], 0.88, 1.12)),
        girth=float(np.clip(rng.lognormal(0.05, 0.14), 0.82, 1.5)),
    )


def rotation(about_z: float, about_x: float, about_y: float) -> np.ndarray:
    """Return the (3, 3) matrix that turns about y, then x, then z; angles in degrees."""
    cz, sz = cos(radians(about_z)), sin(radians(about_z))
    cx, sx = cos(radians(about_x)), sin(radians(about_x))
    cy, sy = cos(radians(about_y)), sin(radians(about_y))
    return np.array(
        [
            [cz * cy - sz * sx * sy, -sz * cx, cz * sy + sz * sx * cy],
            [sz * cy + cz * sx * sy, cz * cx, sz * sy - cz * sx * cy],
            [-cx * sy, sx, cx * cy],
        ]
    )


def pose_body(build: Build, pose: Pose, camera: np.ndarray) -> Body:
    """Put a body of these proportions into a pose and turn it by the (3, 3) camera rotation."""
    trunk = pose.trunk
    pelvis = camera @ rotation(trunk["roll"], trunk["fall"], 0.0)
    half = rotation(trunk["lean"] / 2, trunk["bend"] / 2, trunk["twist"] / 2)
    waist_turn = pelvis @ half
    chest = waist_turn @ half
    head = chest @ rotation(trunk["head_tilt"], trunk["head_pitch"], trunk["head_yaw"])
    points = np.zeros((len(POINTS), 3))

    points[POINT["waist"]] = waist_turn @ (0.0, 0.10 * build.trunk, 0.0)
    thorax = points[POINT["waist"]] + chest @ (0.0, 0.185 * build.trunk, 0.0)
    points[POINT["thorax"]] = thorax
    points[POINT["neck"]] = thorax + chest @ (0.0, 0.022, 0.004)
    upper_neck = thorax + chest @ (0.0, 0.045, 0.008)
    points[POINT["upper_neck"]] = upper_neck
    centre = upper_neck + head @ (np.array([0.0, 0.060, 0.010]) * build.head)
    points[POINT["head"]] = centre
    points[POINT["head_top"]] = centre + head @ (0.0, HEAD_AXES[1] * build.head, 0.0)
    for name, place in _FACE.items():
        points[POINT[name]] = centre + head @ (np.array(place) * build.head)
    for side, sign, limb in (("left", 1.0, pose.left), ("right", -1.0, pose.right)):
        _place_arm(points, build, side, sign, limb, chest)
        _place_leg(points, build, side, sign, limb, pelvis)
    return Body(points, pelvis, chest, head, build)


def project(
    points: np.ndarray, centre: tuple[float, float], stature: float, perspective: float
) -> tuple[np.ndarray, np.ndarray]:
    """Project body points to image pixels.

    Args:
        points: (N, 3) in the body frame.
        centre: ``(x, y)`` of the pelvis, in pixels; pixel i is centred on i.
        stature: pixels per unit at the depth of the pelvis.
        perspective: 0 for none; else inverse camera distance in statures (0.3 is a close look).

    Returns:
        pixels: (N, 2) float64 ``(x, y)``.
        scale: (N,) pixels per unit at the depth of each point.
    """
    scale = stature / np.maximum(1.0 - perspective * points[:, 2], 0.25)
    pixels = np.empty((len(points), 2))
    pixels[:, 0] = centre[0] + scale * points[:, 0]
    pixels[:, 1] = centre[1] - scale * points[:, 1]
    return pixels, scale


def _place_arm(
    points: np.ndarray,
    build: Build,
    side: str,
    sign: float,
    limb: dict[str, float],
    chest: np.ndarray,
) -> None:
    upper = chest @ rotation(
        sign * limb["shoulder_spread"], -limb["shoulder_flex"], -sign * limb["shoulder_turn"]
    )
    lower = upper @ rotation(0.0, -limb["elbow"], 0.0)
    # a raised arm lifts the shoulder
    raised = max(0.0, float(-(chest[:, 1] @ upper[:, 1])))
    socket = chest @ (sign * 0.102 * build.shoulders, -0.016 + 0.028 * raised, 0.0)
    shoulder = points[POINT["thorax"]] + socket
    elbow = shoulder + upper @ (0.0, -0.170 * build.arms, 0.0)
    wrist = elbow + lower @ (0.0, -0.145 * build.arms, 0.0)
    points[POINT[f"{side}_shoulder"]] = shoulder
    points[POINT[f"{side}_elbow"]] = elbow
    points[POINT[f"{side}_wrist"]] = wrist
    points[POINT[f"{side}_hand"]] = wrist + lower @ (0.0, -0.060 * build.arms, 0.006)
    points[POINT[f"{side}_thumb"]] = wrist + lower @ (0.0, -0.045 * build.arms, 0.032)


def _place_leg(
    points: np.ndarray,
    build: Build,
    side: str,
    sign: float,
    limb: dict[str, float],
    pelvis: np.ndarray,
) -> None:
    upper = pelvis @ rotation(sign * limb["hip_spread"], -limb["hip_flex"], sign * limb["hip_turn"])
    lower = upper @ rotation(0.0, limb["knee"], 0.0)
    foot = lower @ rotation(0.0, limb["foot"], 0.0)
    hip = pelvis @ (sign * 0.058, 0.0, 0.0)
    knee = hip + upper @ (0.0, -0.245 * build.legs, 0.0)
    ankle = knee + lower @ (0.0, -0.240 * build.legs, 0.0)
    points[POINT[f"{side}_hip"]] = hip
    points[POINT[f"{side}_knee"]] = knee
    points[POINT[f"{side}_ankle"]] = ankle
    points[POINT[f"{side}_heel"]] = ankle + foot @ (0.0, -0.026, -0.024)
    points[POINT[f"{side}_toe"]] = ankle + foot @ (0.0, -0.032, 0.096)
