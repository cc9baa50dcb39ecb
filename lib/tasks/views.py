"""Training samples as pictures: what a network is shown, with the joints that it is to find."""

from __future__ import annotations

import cv2
import numpy as np

from lib.datasets.detection import HALF_PIXEL
from lib.structures.drawing import draw_poses
from lib.structures.skeleton import Skeleton
from lib.tasks.base import Batch

HIDDEN = 0.35  # brightness of what the loss must not look at


def paint_crop(batch: Batch, place: int, skeleton: Skeleton) -> np.ndarray:
    """Return a top-down sample, (H, W, 3) uint8 blue-green-red.

    Args:
        batch: as `TopDownTask.collate` makes it, on the host.
        place: of the sample.
        skeleton: of its K joints.
    """
    joints, seen = (batch[name][place].numpy()[None] for name in ("keypoints", "visible"))
    return draw_poses(batch["image"][place].numpy(), joints, seen, skeleton, threshold=0.5)


def paint_masked(batch: Batch, place: int, skeleton: Skeleton, palette: str = "coco") -> np.ndarray:
    """Return a bottom-up sample; dark is what the mask of its finest output hides.

    Arguments as in `paint_crop`; joints beyond the skeleton's, a centre, are not painted.
    """
    image, finest = batch["image"][place].numpy(), len(batch["masks"]) - 1
    mask = batch["masks"][finest][place].numpy()
    scale = image.shape[0] / mask.shape[-1]
    mask = cv2.resize(mask, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    dark = np.where(mask[..., None] > 0, image, (HIDDEN * image).astype(np.uint8))
    joints = batch["keypoints"][finest][place].numpy()[:, : skeleton.num_joints] * scale
    seen = batch["visible"][place].numpy()[:, : skeleton.num_joints]
    return draw_poses(dark, joints, seen, skeleton, palette=palette, threshold=0.5)


def paint_boxed(batch: Batch, place: int, skeleton: Skeleton, palette: str = "coco") -> np.ndarray:
    """Return a one-stage sample with its boxes and joints; arguments as in `paint_crop`."""
    target = batch["targets"][place]
    joints = target["keypoints"].numpy()
    return draw_poses(
        batch["images"][place].numpy(),
        joints[..., :2] - HALF_PIXEL,
        joints[..., 2],
        skeleton,
        palette=palette,
        threshold=0.5,
        boxes=target["boxes"].numpy(),
    )
