"""Random views of a person: drawn as plain numbers first, done as one warp afterwards.

Draws are keyed by (seed, epoch, sample), so a sample is the same whatever the order, the worker or
the number of restarts. The distributions are those of Xiao et al. 2018 (Simple Baselines) and, for
half bodies, Wang et al. 2018 (MSPN), as released with HRNet; the order of the draws is ours.
Flip, scale, rotation and half body are one affine map; the flip mirrors the image about the centre
of the crop, exactly as if the whole image had been mirrored before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

from lib.datasets.keys import keyed_generator
from lib.datasets.photometric import STREAM, Operation, distort, draw_distortion
from lib.datasets.warp import warp_crop
from lib.structures.geometry import Size, apply_affine, box_to_crop, image_to_crop_affine
from lib.structures.skeleton import Skeleton

ROTATION_PROBABILITY = 0.6
HALF_BODY_PADDING = 1.5
UPPER_BODY_BELOW = 0.5  # of a normal number: P = 0.69, not 0.5, as released
CUTOUT_PROBABILITY = 0.5
CUTOUT_SQUARES = 8
CUTOUT_SIDES = (20, 80)  # pixels of the crop
CUTOUT_GREY = 128


@dataclass(frozen=True)
class Augmentation:
    """What may be done to a person; probabilities in [0, 1].

    Attributes:
        skeleton: which joints swap under a mirror and which are upper body.
        flip: probability of a mirror (`DATASET.FLIP`).
        scale_factor: spread of the scale multiplier around 1, and its bound (0.35: 0.65-1.35).
        rotation_factor: spread of the rotation in degrees; bounded by twice that.
        half_body: probability of showing only the upper or the lower body.
        half_body_joints: half bodies need more visible joints than this.
        cutout: put grey squares on half of the crops (`DATASET.CUTOUT`).
        shift: largest move of the crop along either axis, as a share of its side.
        shift_probability: of such a move.
        truncated: draw normal numbers between -1 and 1, as mmpose 1.x does, where the lineage cuts
            them off: scale and rotation are then bounded by their factors.
        photometric: what may be done to colours and sharpness.
    """

    skeleton: Skeleton
    flip: float = 0.5
    scale_factor: float = 0.0
    rotation_factor: float = 0.0
    half_body: float = 0.0
    half_body_joints: int = 8
    cutout: bool = False
    shift: float = 0.0
    shift_probability: float = 0.0
    truncated: bool = False
    photometric: Mapping[str, Operation] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """What is done to one person; the defaults do nothing.

    Attributes:
        half_body: show only one half if it has joints enough.
        prefer_upper: which half is tried first.
        scale: factor on the crop's size; above 1 the person gets smaller.
        rotation: degrees, see `image_to_crop_affine`.
        flip: mirror.
        squares: (M, 3) int ``x, y, side`` of grey squares, in crop pixels.
        shift: move of the crop's centre, as shares of its width and height before scaling.
    """

    half_body: bool = False
    prefer_upper: bool = True
    scale: float = 1.0
    rotation: float = 0.0
    flip: bool = False
    squares: tuple[tuple[int, int, int], ...] = ()
    shift: tuple[float, float] = (0.0, 0.0)


def change_pixels(
    pixels: np.ndarray, operations: Mapping[str, Operation], seed: int, key: tuple[int, int]
) -> np.ndarray:
    """Return (H, W, 3) uint8 pixels of a sample with colours and sharpness changed by its key."""
    if not operations:
        return pixels
    return distort(pixels, draw_distortion(keyed_generator(seed, *key, STREAM), operations))


def draw_view(generator: np.random.Generator, augmentation: Augmentation, input_size: Size) -> View:
    """Draw what to do to a person; the same numbers are drawn whatever the settings."""
    half, turn, flip, cut = generator.random(4).tolist()  # Python's numbers compute faster
    upper, zoom, angle = generator.standard_normal(3).tolist()
    spread = augmentation.scale_factor
    if augmentation.truncated:
        scale = 1 + spread * truncate(zoom)
        rotation = augmentation.rotation_factor * truncate(angle)
    else:
        scale = 1 + min(max(zoom * spread, -spread), spread)
        rotation = augmentation.rotation_factor * min(max(angle, -2.0), 2.0)
    squares = ()
    if augmentation.cutout and cut < CUTOUT_PROBABILITY:
        squares = _draw_squares(generator, input_size)
    return View(
        half_body=bool(half < augmentation.half_body),
        prefer_upper=bool(upper < UPPER_BODY_BELOW),
        scale=scale,
        rotation=rotation if turn <= ROTATION_PROBABILITY else 0.0,
        flip=bool(flip < augmentation.flip),
        squares=squares,
        shift=_draw_shift(generator, augmentation),
    )


def truncate(number: float) -> float:
    """Return a normal number as one of the same distribution between -1 and 1, order kept.

    Equal shares of probability are mapped on each other, so that nothing has to be drawn again.
    """
    outside = _NORMAL.cdf(-1.0)
    share = outside + _NORMAL.cdf(number) * (1 - 2 * outside)
    return min(max(_NORMAL.inv_cdf(share), -1.0), 1.0)


_NORMAL = NormalDist()


def view_crop(
    crop: np.ndarray,
    keypoints: np.ndarray,
    visible: np.ndarray,
    view: View,
    augmentation: Augmentation,
    aspect_ratio: float,
) -> np.ndarray:
    """Return the (4,) crop to show: the half body's if wanted and possible, then scaled.

    Args:
        crop: (4,) ``centre x, centre y, width, height`` in image pixels.
        keypoints: (K, 2) ``(x, y)`` in image pixels.
        visible: (K,) bool or number; above 0 means annotated.
        view: what was drawn.
        augmentation: its limits and joints.
        aspect_ratio: width / height of the network input.
    """
    if view.half_body and np.count_nonzero(visible > 0) > augmentation.half_body_joints:
        upper = augmentation.skeleton.upper_body
        half = half_body_crop(keypoints, visible, upper, view.prefer_upper, aspect_ratio)
        crop = crop if half is None else half
    x, y, width, height = crop.tolist()
    right, down = view.shift
    return np.array([x + right * width, y + down * height, width * view.scale, height * view.scale])


def half_body_crop(
    keypoints: np.ndarray,
    visible: np.ndarray,
    upper_body: tuple[int, ...],
    prefer_upper: bool,
    aspect_ratio: float,
) -> np.ndarray | None:
    """Return the (4,) crop around the joints of one half, or None with fewer than two joints.

    The upper half is taken if preferred and it has more than two joints; else the lower if it has
    more than two; else the upper. The crop is centred on the joints' mean, not on their box.
    """
    is_upper = np.zeros(len(keypoints), bool)
    is_upper[list(upper_body)] = True
    annotated = visible > 0
    upper, lower = annotated & is_upper, annotated & ~is_upper
    take_upper = (prefer_upper and upper.sum() > 2) or lower.sum() <= 2
    joints = keypoints[upper if take_upper else lower]
    if len(joints) < 2:
        return None
    box = np.concatenate([joints.min(axis=0), np.ptp(joints, axis=0)])
    crop = box_to_crop(box[None], aspect_ratio, HALF_BODY_PADDING)[0]
    crop[:2] = joints.mean(axis=0)
    return crop


def show_person(
    image: np.ndarray,
    crop: np.ndarray,
    keypoints: np.ndarray,
    visible: np.ndarray,
    view: View,
    flip_index: np.ndarray,
    *,
    input_size: Size,
    unbiased: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut a person out, turned, mirrored and covered as the view says, with its joints.

    Args:
        image: (h, w, 3) uint8.
        crop: (4,) from `view_crop`.
        keypoints: (K, 2) ``(x, y)`` in image pixels.
        visible: (K,) bool or number.
        view: what was drawn; its scale and half body are in ``crop`` already.
        flip_index: (K,) int64, `Skeleton.flip_index`.
        input_size: ``(width, height)`` of the cut-out.
        unbiased: cut as UDP wants (`Codec.unbiased`).

    Returns:
        pixels: (H, W, 3) uint8, black outside the image.
        keypoints: (K, 2) float32 in pixels of the cut-out; without meaning where not visible.
        visible: (K,), swapped left for right if mirrored.
    """
    matrices, points, shown = map_people(
        crop[None],
        keypoints[None],
        visible[None],
        [view],
        flip_index,
        input_size=input_size,
        unbiased=unbiased,
    )
    pixels = warp_crop(image, matrices[0], input_size)
    cover(pixels, view)
    return pixels, points[0], shown[0]


def map_people(
    crops: np.ndarray,
    keypoints: np.ndarray,
    visible: np.ndarray,
    views: list[View],
    flip_index: np.ndarray,
    *,
    input_size: Size,
    unbiased: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the maps of N people into their cut-outs, and their joints there.

    Args:
        crops: (N, 4) from `view_crop`.
        keypoints: (N, K, 2) ``(x, y)`` in image pixels.
        visible: (N, K) bool or number.
        views: N views.
        flip_index: (K,) int64, `Skeleton.flip_index`.
        input_size: ``(width, height)`` of a cut-out.
        unbiased: see `show_person`.

    Returns:
        matrices: (N, 2, 3) from image pixels to those of the cut-out.
        keypoints: (N, K, 2) float32 in pixels of the cut-out; without meaning where not visible.
        visible: (N, K), swapped left for right in mirrored views.
    """
    mirrored = np.array([view.flip for view in views])
    rotation = np.array([view.rotation for view in views])
    matrices = image_to_crop_affine(crops, input_size, rotation, flip=mirrored, unbiased=unbiased)
    points = apply_affine(matrices, keypoints).astype(np.float32)
    points[mirrored] = points[mirrored][:, flip_index]
    swapped = visible.copy()
    swapped[mirrored] = visible[mirrored][:, flip_index]
    return matrices, points, swapped


def cover(pixels: np.ndarray, view: View) -> None:
    """Put the grey squares of a view on (H, W, 3) pixels, in place."""
    for x, y, side in view.squares:
        pixels[y : y + side, x : x + side] = CUTOUT_GREY


def _draw_shift(generator: np.random.Generator, augmentation: Augmentation) -> tuple[float, float]:
    if not augmentation.shift:
        return (0.0, 0.0)  # these draws are the last: nothing that follows is moved
    moves = generator.random() < augmentation.shift_probability
    right, down = (truncate(number) for number in generator.standard_normal(2).tolist())
    reach = augmentation.shift if moves else 0.0
    return (right * reach, down * reach)


def _draw_squares(generator: np.random.Generator, size: Size) -> tuple[tuple[int, int, int], ...]:
    count = int(generator.integers(1, CUTOUT_SQUARES + 1))
    squares = []
    for side in generator.integers(CUTOUT_SIDES[0], CUTOUT_SIDES[1] + 1, count):
        x, y = (int(generator.integers(0, max(1, length - side + 1))) for length in size)
        squares.append((x, y, int(side)))
    return tuple(squares)
