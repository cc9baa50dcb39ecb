"""Configuration -> the parts of the top-down task."""

from __future__ import annotations

from yacs.config import CfgNode

from lib.datasets.transforms import Augmentation
from lib.structures.skeleton import Skeleton
from lib.tasks.augmentation import build_operations


def build_augmentation(cfg: CfgNode, skeleton: Skeleton) -> Augmentation:
    """Return what ``DATASET`` allows to be done to a training crop."""
    node = cfg.DATASET
    return Augmentation(
        skeleton=skeleton,
        flip=node.FLIP,
        scale_factor=node.SCALE_FACTOR,
        rotation_factor=node.ROT_FACTOR,
        half_body=max(0.0, node.PROB_HALF_BODY),  # MPII's files say -1 for never
        half_body_joints=node.NUM_JOINTS_HALF_BODY,
        cutout=node.CUTOUT,
        shift=node.SHIFT_FACTOR,
        shift_probability=node.PROB_SHIFT,
        truncated=node.DRAWS == "truncated",
        photometric=build_operations(cfg),
    )
