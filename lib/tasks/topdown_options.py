"""Configuration -> the parts of the top-down task."""

from __future__ import annotations

import torch
from yacs.config import CfgNode

from lib.annotations.tables import PersonTable
from lib.codecs import CODECS
from lib.datasets.negatives import with_negatives
from lib.datasets.sources import Source
from lib.datasets.transforms import Augmentation
from lib.structures.skeleton import Skeleton
from lib.tasks.augmentation import build_operations
from lib.tasks.splits import read_labels
from lib.utils.errors import ConfigError


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


def add_negatives(cfg: CfgNode, source: Source, people: PersonTable) -> PersonTable:
    """Return people to train on, with ``DATASET.NEGATIVES`` crops of nobody per person.

    Raises:
        ConfigError: the codec would learn nothing from them, or the data set (MPII) annotates one
            person of an image, so that nobody knows where nobody is.
    """
    share = cfg.DATASET.NEGATIVES
    if not share:
        return people
    if not CODECS[cfg.MODEL.TARGET_TYPE].learns_absence:
        raise ConfigError(
            f"DATASET.NEGATIVES {share:g} is for MODEL.TARGET_TYPE presence, which learns from "
            f"crops of nobody; '{cfg.MODEL.TARGET_TYPE}' does not: set it to 0."
        )
    if source.kind == "mpii":
        raise ConfigError("DATASET.NEGATIVES needs all people annotated, and MPII's are not.")
    return with_negatives(people, read_labels(cfg, source).people, share, cfg.SEED)


def decoding_device(cfg: CfgNode) -> torch.device | None:
    """Return the GPU that decodes the pictures of a test; None for ``TEST.DECODE`` full or reduced.

    Raises:
        ConfigError: there is none.
    """
    if cfg.TEST.DECODE != "cuda":
        return None
    if not torch.cuda.is_available():
        raise ConfigError(
            "TEST.DECODE cuda: there is no GPU here, or no driver for it, to decode pictures on; "
            "set TEST.DECODE full."
        )
    return torch.device("cuda", torch.cuda.current_device())
