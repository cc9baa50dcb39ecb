"""Configuration -> the parts of the bottom-up task, with its rules that span several keys."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from yacs.config import CfgNode

from lib.codecs.grouping import GroupingOptions
from lib.codecs.multiscale import GRID, scaled_side
from lib.datasets.bottomup import PersonSigma
from lib.datasets.image_view import ImageAugmentation
from lib.structures.skeleton import Skeleton
from lib.tasks.augmentation import build_operations
from lib.utils.errors import ConfigError

PER_STAGE = ("LOSS.WITH_HEATMAPS_LOSS", "LOSS.WITH_AE_LOSS", "TEST.WITH_HEATMAPS", "TEST.WITH_AE")
PER_TRAINED_STAGE = (  # a test does not ask these
    "LOSS.HEATMAPS_LOSS_FACTOR",
    "LOSS.PUSH_LOSS_FACTOR",
    "LOSS.PULL_LOSS_FACTOR",
    "DATASET.OUTPUT_SIZE",
)
FINEST_STRIDE = 4  # of the first stage; each further stage halves it
COARSEST_STRIDE = 32  # of the network; sides of its input are multiples of it
SIDES_TO_TRY = 64  # in units of GRID: up to 4096 pixels at the smallest scale


def check_config(cfg: CfgNode) -> None:
    """Run the rules that only bottom-up models have.

    Raises:
        ConfigError: the first rule that is broken.
    """
    _check_stages(cfg)
    _check_scales(cfg)
    side = cfg.DATASET.INPUT_SIZE
    if side % COARSEST_STRIDE:
        raise ConfigError(
            f"DATASET.INPUT_SIZE must be a multiple of {COARSEST_STRIDE}, got {side}."
        )
    kernel, padding = cfg.TEST.NMS_KERNEL, cfg.TEST.NMS_PADDING
    if kernel % 2 == 0 or padding != kernel // 2:
        raise ConfigError(
            f"TEST.NMS_KERNEL must be odd and TEST.NMS_PADDING half of it rounded down, "
            f"got {kernel} and {padding}."
        )


def check_training(cfg: CfgNode) -> None:
    """Run the rules that matter to training only.

    Raises:
        ConfigError: the first rule that is broken.
    """
    _check_lengths(cfg, PER_TRAINED_STAGE)
    side = cfg.DATASET.INPUT_SIZE
    wanted = [side * 2**stage // FINEST_STRIDE for stage in range(cfg.LOSS.NUM_STAGES)]
    if list(cfg.DATASET.OUTPUT_SIZE) != wanted:
        raise ConfigError(
            f"DATASET.OUTPUT_SIZE must be {wanted} for INPUT_SIZE {side} and LOSS.NUM_STAGES "
            f"{cfg.LOSS.NUM_STAGES}, got {list(cfg.DATASET.OUTPUT_SIZE)}."
        )


def _check_lengths(cfg: CfgNode, paths: Sequence[str]) -> None:
    count = cfg.LOSS.NUM_STAGES
    for path in paths:
        section, key = path.split(".")
        if len(cfg[section][key]) != count:
            raise ConfigError(
                f"{path} has {len(cfg[section][key])} entries for LOSS.NUM_STAGES {count}: give "
                "one per stage (resolution) of the network."
            )


def _check_stages(cfg: CfgNode) -> None:
    _check_lengths(cfg, PER_STAGE)
    if not any(heatmap_stages(cfg)):
        raise ConfigError("No stage has LOSS.WITH_HEATMAPS_LOSS and TEST.WITH_HEATMAPS.")
    if not any(tag_stages(cfg)):
        raise ConfigError("No stage has LOSS.WITH_AE_LOSS and TEST.WITH_AE: nothing to group by.")


def _check_scales(cfg: CfgNode) -> None:
    scales = list(cfg.TEST.SCALE_FACTOR)
    if not scales:
        raise ConfigError("TEST.SCALE_FACTOR must list at least one factor.")
    if len(scales) > 1 and 1 not in scales:
        raise ConfigError(
            f"TEST.SCALE_FACTOR {scales} lacks 1: tags are taken at scale 1 only, so nobody could "
            "be grouped; add 1 or give a single scale."
        )
    for scale in scales:
        if not _suits_all_images(scale, min(scales)):
            raise ConfigError(
                f"TEST.SCALE_FACTOR {scales}: {scale:g} is not a multiple of half the smallest "
                f"one, {min(scales):g}, so the sides of most images would not be multiples of "
                f"{COARSEST_STRIDE} pixels; [0.5, 1, 2] works."
            )


def _suits_all_images(scale: float, smallest: float) -> bool:
    """Say whether the network can take the sides that ``view_at_scale`` makes of any image."""
    bases = (GRID * count for count in range(1, SIDES_TO_TRY + 1))
    return all(scaled_side(base, scale, smallest) % COARSEST_STRIDE == 0 for base in bases)


def heatmap_stages(cfg: CfgNode) -> tuple[bool, ...]:
    """Say which stages' heatmaps are used in testing."""
    pairs = zip(cfg.LOSS.WITH_HEATMAPS_LOSS, cfg.TEST.WITH_HEATMAPS, strict=True)
    return tuple(trained and used for trained, used in pairs)


def tag_stages(cfg: CfgNode) -> tuple[bool, ...]:
    """Say which stages' tags are used in testing."""
    pairs = zip(cfg.LOSS.WITH_AE_LOSS, cfg.TEST.WITH_AE, strict=True)
    return tuple(trained and used for trained, used in pairs)


def tag_offsets(cfg: CfgNode) -> tuple[int, ...]:
    """Return the channel at which the tags of each stage begin."""
    joints = cfg.MODEL.NUM_JOINTS
    return tuple(joints if heatmaps else 0 for heatmaps in cfg.LOSS.WITH_HEATMAPS_LOSS)


def scales_to_test(cfg: CfgNode) -> list[float]:
    """Return ``TEST.SCALE_FACTOR``, largest first, the order in which scales are run."""
    return sorted(cfg.TEST.SCALE_FACTOR, reverse=True)


def flip_index(skeleton: Skeleton, channels: int) -> np.ndarray:
    """Return the mirror joints (channels,) int64; a centre joint after the others stays itself."""
    return np.concatenate([skeleton.flip_index, np.arange(skeleton.num_joints, channels)])


def drops_center(cfg: CfgNode) -> bool:
    """Whether the centre joint is left out before grouping."""
    return cfg.DATASET.WITH_CENTER and cfg.TEST.IGNORE_CENTER


def build_grouping(cfg: CfgNode, skeleton: Skeleton) -> GroupingOptions:
    """Return how ``TEST`` wants detections grouped; a centre joint that is kept goes first."""
    order = skeleton.grouping_order
    if cfg.DATASET.WITH_CENTER and not drops_center(cfg):
        order = (skeleton.num_joints, *order)
    return GroupingOptions(
        joint_order=order,
        max_people=cfg.DATASET.MAX_NUM_PEOPLE,
        detection_threshold=cfg.TEST.DETECTION_THRESHOLD,
        tag_threshold=cfg.TEST.TAG_THRESHOLD,
        use_detection_score=cfg.TEST.USE_DETECTION_VAL,
        ignore_too_much=cfg.TEST.IGNORE_TOO_MUCH,
        nms_kernel=cfg.TEST.NMS_KERNEL,
        adjust=cfg.TEST.ADJUST,
        refine=cfg.TEST.REFINE,
        matcher=cfg.TEST.MATCHER,
    )


def build_augmentation(cfg: CfgNode) -> ImageAugmentation:
    """Return what ``DATASET`` allows to be done to a training image."""
    node = cfg.DATASET
    return ImageAugmentation(
        min_scale=node.MIN_SCALE,
        max_scale=node.MAX_SCALE,
        rotation=node.MAX_ROTATION,
        translate=node.MAX_TRANSLATE,
        flip=node.FLIP,
        fill_long=node.SCALE_TYPE == "long",
        photometric=build_operations(cfg),
    )


def build_sigma(cfg: CfgNode) -> PersonSigma | None:
    """Return the rule of ``DATASET.SCALE_AWARE_SIGMA``, None for one width for all."""
    node = cfg.DATASET
    if not node.SCALE_AWARE_SIGMA:
        return None
    return PersonSigma(node.BASE_SIZE, node.BASE_SIGMA, whole=node.INT_SIGMA)
