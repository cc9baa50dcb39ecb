"""Paint skeletons, boxes, labels and heatmaps onto pictures (OpenCV; blue-green-red uint8).

Palettes colour a joint by the body part its name tells. ``safe`` uses the colours of Okabe and Ito
(2008), told apart by every common kind of colour blindness: blues on the left, oranges on the
right. ``openpose`` walks the colour wheel in the joint order of OpenPose (Cao et al. 2017).
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from lib.structures.skeleton import Skeleton
from lib.utils.errors import ConfigError, DataError, did_you_mean

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
    *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist"),
    *("left_shoulder", "left_elbow", "left_wrist", "right_hip", "right_knee", "right_ankle"),
    *("left_hip", "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear"),
)
_SUBPIXEL_BITS = 3  # OpenCV takes fixed-point coordinates: 1/8 pixel
_FAR = 1 << 20  # beyond it fixed-point coordinates would overflow
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_poses(
    image: np.ndarray,
    keypoints: np.ndarray,
    keypoint_scores: np.ndarray | None,
    skeleton: Skeleton,
    *,
    palette: str = "coco",
    threshold: float = 0.2,
    width: int | None = None,
    labels: Sequence[str] | None = None,
    boxes: np.ndarray | None = None,
) -> np.ndarray:
    """Return a copy of ``image`` with people painted on it.

    Args:
        image: (H, W, 3) uint8, blue-green-red.
        keypoints: (N, K, 2) ``(x, y)`` in pixels; non-finite joints are left out.
        keypoint_scores: (N, K); joints below ``threshold`` are left out, and limbs that end there.
            None paints all.
        skeleton: names and limbs of the K joints.
        palette: one of ``PALETTES``.
        threshold: least score of a painted joint.
        width: line width in pixels; by default from the sizes of image and person.
        labels: N texts to write above the people.
        boxes: (N, 4) ``x1, y1, x2, y2`` to outline.

    Raises:
        ConfigError: unknown palette.
        ValueError: arrays of other shapes.
    """
    count = len(keypoints)
    if keypoints.shape != (count, skeleton.num_joints, 2):
        raise ValueError(f"keypoints must be (N, {skeleton.num_joints}, 2), got {keypoints.shape}")
    canvas = image.copy()
    shown = np.asarray(np.isfinite(keypoints).all(axis=2))
    if keypoint_scores is not None:
        shown &= keypoint_scores >= threshold
    joint_colors, limb_colors = skeleton_colors(skeleton, palette)
    for n in range(count):
        line = width or line_width(image.shape, keypoints[n][shown[n]])
        if boxes is not None:
            draw_box(canvas, boxes[n], joint_colors[0], (line + 1) // 2)
        _draw_limbs(canvas, keypoints[n], shown[n], skeleton.limbs, limb_colors, line)
        _draw_joints(canvas, keypoints[n], shown[n], joint_colors, line)
        if labels is not None:
            anchor = _label_anchor(keypoints[n][shown[n]], None if boxes is None else boxes[n])
            if anchor is not None:
                draw_label(canvas, labels[n], anchor)
    return canvas


def skeleton_colors(skeleton: Skeleton, palette: str) -> tuple[list[Color], list[Color]]:
    """Return the colours of the K joints and of the limbs, blue-green-red.

    A skeleton most of whose joints have no known body part is coloured by joint number.

    Raises:
        ConfigError: unknown palette.
    """
    return _colors(skeleton, ALIASES.get(palette, palette))


def line_width(shape: Sequence[int], points: np.ndarray) -> int:
    """Return a line width in pixels for an (H, W, ...) picture and a person of (P, 2) joints.

    It is 0.6 % of the picture's size, or less where the person is so small that lines hide it.
    """
    width = 0.006 * float(shape[0] * shape[1]) ** 0.5
    if len(points) > 1:
        width = min(width, float(np.ptp(points, axis=0).max()) / 30)
    return max(1, round(width))


def draw_box(canvas: np.ndarray, box: np.ndarray, color: Color, width: int = 1) -> None:
    """Outline ``x1, y1, x2, y2`` on ``canvas`` in place."""
    if np.isfinite(box).all():
        low, high = _fixed(box[:2]), _fixed(box[2:])
        cv2.rectangle(canvas, low, high, color, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def draw_label(canvas: np.ndarray, text: str, anchor: tuple[int, int]) -> None:
    """Write ``text`` in place on a dark strip whose lower left corner is ``anchor`` ``(x, y)``.

    The strip is moved inside the picture where it would leave it.
    """
    height, width = canvas.shape[:2]
    scale = max(0.35, 0.0008 * (height * width) ** 0.5)
    line = max(1, round(1.6 * scale))
    (text_width, text_height), base = cv2.getTextSize(text, _FONT, scale, line)
    x = int(np.clip(anchor[0], 0, max(width - text_width - 4, 0)))
    y = int(np.clip(anchor[1], text_height + base, max(height - 1, 1)))
    corner = (x + text_width + 4, y - text_height - base)
    cv2.rectangle(canvas, (x, y), corner, (32, 32, 32), cv2.FILLED)
    cv2.putText(
        canvas, text, (x + 2, y - base + 1), _FONT, scale, (255, 255, 255), line, cv2.LINE_AA
    )


def overlay_heatmaps(image: np.ndarray, heatmaps: np.ndarray, alpha: float = 0.7) -> np.ndarray:
    """Return ``image`` tinted by the strongest of K heatmaps at every pixel.

    Args:
        image: (H, W, 3) uint8, blue-green-red.
        heatmaps: (K, h, w) of the same region; values are clipped to [0, 1], 0 leaves the picture.
        alpha: opacity where a heatmap is 1.
    """
    height, width = image.shape[:2]
    strongest = np.clip(heatmaps.max(axis=0), 0, 1).astype(np.float32)
    strongest = cv2.resize(strongest, (width, height), interpolation=cv2.INTER_LINEAR)
    tint = cv2.applyColorMap(np.round(255 * strongest).astype(np.uint8), cv2.COLORMAP_TURBO)
    weight = alpha * strongest[..., None]
    return np.round(image * (1 - weight) + tint * weight).astype(np.uint8)


def join_panels(panels: Sequence[np.ndarray], titles: Sequence[str]) -> np.ndarray:
    """Return pictures of one height side by side, each with a title, a white gap between them."""
    titled = []
    for panel, title in zip(panels, titles, strict=True):
        canvas = panel.copy()
        draw_label(canvas, title, (0, 0))
        gap = np.full((panel.shape[0], 4, 3), 255, np.uint8)
        titled += [canvas, gap]
    return np.concatenate(titled[:-1], axis=1)


def save_picture(path: Path, picture: np.ndarray) -> None:
    """Write an (H, W, 3) picture in the format of the file's ending.

    Raises:
        DataError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), picture):
        raise DataError(f"Cannot write '{path}': is the disk full, or the folder read-only?")


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


def _draw_limbs(
    canvas: np.ndarray,
    points: np.ndarray,
    shown: np.ndarray,
    limbs: Sequence[tuple[int, int]],
    colors: Sequence[Color],
    width: int,
) -> None:
    for (a, b), color in zip(limbs, colors, strict=True):
        if shown[a] and shown[b]:
            ends = _fixed(points[a]), _fixed(points[b])
            cv2.line(canvas, *ends, color, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def _draw_joints(
    canvas: np.ndarray, points: np.ndarray, shown: np.ndarray, colors: Sequence[Color], width: int
) -> None:
    radius = (width << _SUBPIXEL_BITS) + 4  # a little wider than the limbs
    for k in np.nonzero(shown)[0].tolist():
        centre = _fixed(points[k])
        cv2.circle(canvas, centre, radius, colors[k], cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS)
        if width > 1:  # a dark ring keeps joints apart from limbs of the same colour
            cv2.circle(canvas, centre, radius, (0, 0, 0), 1, cv2.LINE_AA, _SUBPIXEL_BITS)


def _label_anchor(points: np.ndarray, box: np.ndarray | None) -> tuple[int, int] | None:
    if box is not None and np.isfinite(box).all():
        return int(box[0]), int(box[1])
    if len(points) == 0:
        return None
    x, y = np.clip(points.min(axis=0), -_FAR, _FAR)
    return int(x), int(y) - 4


def _fixed(point: np.ndarray) -> tuple[int, int]:
    """Return OpenCV's fixed-point form of ``(x, y)``, far points pulled in."""
    x, y = np.clip(np.round(point * (1 << _SUBPIXEL_BITS)), -_FAR, _FAR).astype(int).tolist()
    return x, y
