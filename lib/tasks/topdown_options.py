"""Configuration -> the parts of the top-down task."""

from __future__ import annotations

from yacs.config import CfgNode

from lib.codecs.codec import HeatmapCodec
from lib.codecs.flip import FlipAlign
from lib.datasets.transforms import Augmentation
from lib.losses.heatmap import HeatmapLoss
from lib.structures.skeleton import Skeleton
from lib.tasks.augmentation import build_operations


def build_codec(cfg: CfgNode) -> HeatmapCodec:
    """Return the codec of ``MODEL.TARGET_TYPE``, or soft-argmax decoding where TEST asks for it."""
    return HeatmapCodec(
        name="softargmax" if cfg.TEST.SOFT_ARGMAX else cfg.MODEL.TARGET_TYPE,
        input_size=tuple(cfg.MODEL.IMAGE_SIZE),
        heatmap_size=tuple(cfg.MODEL.HEATMAP_SIZE),
        sigma=cfg.MODEL.SIGMA,
        post_process=cfg.TEST.POST_PROCESS,
        beta=cfg.TEST.SOFT_ARGMAX_BETA,
        bias=cfg.TEST.BIAS,
    )


def build_loss(cfg: CfgNode) -> HeatmapLoss:
    """Return the masked squared error, of the worst joints only with ``LOSS.USE_OHKM``."""
    return HeatmapLoss(
        use_weights=cfg.LOSS.USE_TARGET_WEIGHT,
        factor=cfg.LOSS.FACTOR,
        top_k=cfg.LOSS.TOPK if cfg.LOSS.USE_OHKM else 0,
    )


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


def flip_align(cfg: CfgNode) -> FlipAlign:
    """Return ``TEST.FLIP_ALIGN``, or what the lineage's ``TEST.SHIFT_HEATMAP`` means."""
    return cfg.TEST.FLIP_ALIGN or ("integer" if cfg.TEST.SHIFT_HEATMAP else "none")
