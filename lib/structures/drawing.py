"""Paint skeletons, boxes, labels and heatmaps onto pictures (OpenCV; blue-green-red uint8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from lib.structures.palettes import Color, skeleton_colors
from lib.structures.skeleton import Skeleton
from lib.utils.errors import DataError

FAINTEST = 0.25  # opacity of a joint of score 0
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
    fade: bool = False,
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
        labels: N texts to write above the people; empty ones are left out.
        boxes: (N, 4) ``x1, y1, x2, y2`` to outline.
        fade: paint joints the fainter the lower they score, limbs like the weaker of their ends.

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
    if keypoint_scores is None or not fade:
        opacity = np.ones(shown.shape)
    else:
        opacity = FAINTEST + (1 - FAINTEST) * np.clip(keypoint_scores, 0, 1)
    for n in range(count):
        line = width or line_width(image.shape, keypoints[n][shown[n]])
        if boxes is not None:
            draw_box(canvas, boxes[n], joint_colors[0], (line + 1) // 2)
        person = keypoints[n], np.where(shown[n], opacity[n], 0.0)
        _draw_limbs(canvas, *person, skeleton.limbs, limb_colors, line)
        _draw_joints(canvas, *person, joint_colors, line)
        if labels is not None and labels[n]:
            anchor = _label_anchor(keypoints[n][shown[n]], None if boxes is None else boxes[n])
            if anchor is not None:
                draw_label(canvas, labels[n], anchor)
    return canvas


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
    scale = max(0.45, 0.0009 * (height * width) ** 0.5)
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


def _draw_limbs(
    canvas: np.ndarray,
    points: np.ndarray,
    opacity: np.ndarray,
    limbs: Sequence[tuple[int, int]],
    colors: Sequence[Color],
    width: int,
) -> None:
    """Draw the limbs both of whose ends have an opacity (K,) above 0."""
    for (a, b), color in zip(limbs, colors, strict=True):
        if opacity[a] > 0 and opacity[b] > 0:
            ends = _fixed(points[a]), _fixed(points[b])
            share = float(min(opacity[a], opacity[b]))
            with _blended(canvas, points[[a, b]], width + 2, share):
                cv2.line(canvas, *ends, color, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def _draw_joints(
    canvas: np.ndarray,
    points: np.ndarray,
    opacity: np.ndarray,
    colors: Sequence[Color],
    width: int,
) -> None:
    radius = (width << _SUBPIXEL_BITS) + 4  # a little wider than the limbs
    for k in np.nonzero(opacity)[0].tolist():
        centre = _fixed(points[k])
        with _blended(canvas, points[[k]], width + 3, float(opacity[k])):
            cv2.circle(canvas, centre, radius, colors[k], cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS)
            if width > 1:  # a dark ring keeps joints apart from limbs of the same colour
                cv2.circle(canvas, centre, radius, (0, 0, 0), 1, cv2.LINE_AA, _SUBPIXEL_BITS)


@contextmanager
def _blended(canvas: np.ndarray, points: np.ndarray, margin: int, opacity: float) -> Iterator[None]:
    """Blend what the block paints on ``canvas`` with what was there.

    It must paint within ``margin`` pixels of the box around ``points`` (P, 2).
    """
    if opacity >= 1:
        yield
        return
    end = canvas.shape[1::-1]
    left, top = np.clip(points.min(axis=0) - margin, 0, end).astype(int).tolist()
    right, bottom = np.clip(points.max(axis=0) + margin + 1, 0, end).astype(int).tolist()
    part = canvas[top:bottom, left:right]
    before = part.copy()
    yield
    if part.size:
        part[:] = cv2.addWeighted(before, 1 - opacity, part, opacity, 0)


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
