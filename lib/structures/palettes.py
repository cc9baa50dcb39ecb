"""Colours of joints and limbs, by the body part that a joint's name tells.

``safe`` uses the colours of Okabe and Ito (2008), told apart by every common kind of colour
blindness: blues on the left, oranges on the right. ``openpose`` walks the colour wheel in the joint
order of OpenPose (Cao et al. 2017).
"""

from __future__ import annotations

import colorsys
from functools import lru_cache

from lib.structures.skeleton import Skeleton
from lib.utils.errors import ConfigError, did_you_mean

Color = tuple[int, int, int]  # blue, green, red: Python integers, which OpenCV 5 insists on

# Red, green, blue of each body part.
PART_COLORS: dict[str, dict[str, Color]] = {
    "coco": {
        "face": (240, 2, 127),
        "torso": (165, 104, 210),
        "left_arm": (255, 255, 0),
        "right_arm": (169, 209, 142),
        "left_leg": (252, 176, 243),
        "right_leg": (0, 176, 240),
    },
    "xiaochu": {
        "face": (240, 2, 127),
        "torso": (255, 255, 51),
        "left_arm": (254, 153, 41),
        "right_arm": (44, 127, 184),
        "left_leg": (228, 26, 28),
        "right_leg": (49, 163, 84),
    },
    "safe": {
        "face": (204, 121, 167),
        "torso": (0, 158, 115),
        "left_arm": (86, 180, 233),
        "right_arm": (230, 159, 0),
        "left_leg": (0, 114, 178),
        "right_leg": (213, 94, 0),
    },
}
ALIASES = {"chunhua": "coco"}  # the published scripts' name of their default
PALETTES = (*PART_COLORS, "openpose", *ALIASES)
_PART_WORDS = {
    "face": ("nose", "eye", "ear", "mouth"),
    "arm": ("shoulder", "elbow", "wrist", "hand", "arm"),
    "leg": ("hip", "knee", "ankle", "foot", "toe", "heel", "leg"),
    "torso": ("neck", "head", "thorax", "pelvis", "spine", "chest"),
}
_OPENPOSE_ORDER = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist",
    "left_shoulder", "left_elbow", "left_wrist", "right_hip", "right_knee", "right_ankle",
    "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip


def skeleton_colors(skeleton: Skeleton, palette: str) -> tuple[list[Color], list[Color]]:
    """Return the colours of the K joints and of the limbs, blue-green-red.

    A skeleton most of whose joints have no known body part is coloured by joint number.

    Raises:
        ConfigError: unknown palette.
    """
    return _colors(skeleton, ALIASES.get(palette, palette))


@lru_cache(maxsize=32)
def _colors(skeleton: Skeleton, palette: str) -> tuple[list[Color], list[Color]]:
    if palette not in PALETTES:
        raise ConfigError(f"No palette '{palette}'.{did_you_mean(palette, PALETTES)}")
    parts = [_joint_part(name) for name in skeleton.joints]
    if palette == "openpose" or sum(part is None for part in parts) * 2 > len(parts):
        return _wheel_colors(skeleton)
    table = {part: (b, g, r) for part, (r, g, b) in PART_COLORS[palette].items()}
    joints = [table[part or "torso"] for part in parts]
    limbs = [table[_limb_part(parts[a], parts[b])] for a, b in skeleton.limbs]
    return joints, limbs


def _wheel_colors(skeleton: Skeleton) -> tuple[list[Color], list[Color]]:
    """Colour joints around the wheel, red first; a limb takes its later joint's colour."""
    known = [name for name in _OPENPOSE_ORDER if name in skeleton.joints]
    order = known + [name for name in skeleton.joints if name not in known]
    place = [order.index(name) for name in skeleton.joints]
    wheel = [_hue(i / len(order)) for i in range(len(order))]
    joints = [wheel[i] for i in place]
    return joints, [wheel[max(place[a], place[b])] for a, b in skeleton.limbs]


def _hue(share: float) -> Color:
    red, green, blue = colorsys.hsv_to_rgb(share, 1.0, 1.0)
    return round(255 * blue), round(255 * green), round(255 * red)


def _joint_part(name: str) -> str | None:
    """Return the body part a joint's name tells, None if it tells nothing."""
    lowered = name.lower()
    side = next((word for word in ("left", "right") if word in lowered), None)
    for part in ("arm", "leg", "torso", "face"):  # the face last: "forearm" contains "ear"
        if any(word in lowered for word in _PART_WORDS[part]):
            if part in ("arm", "leg"):
                return f"{side}_{part}" if side else "torso"
            return part
    return None


def _limb_part(first: str | None, second: str | None) -> str:
    if first == second and first is not None:
        return first
    return "face" if "face" in (first, second) else "torso"
