"""The people that a top-down network is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from yacs.config import CfgNode

from lib.annotations.detections import read_detections
from lib.annotations.tables import PersonTable
from lib.datasets.mix import place_joints
from lib.datasets.selection import joints_near_crop_centre
from lib.datasets.sources import read_people, read_source, source_skeleton
from lib.datasets.topdown import person_crops
from lib.structures.geometry import Size
from lib.structures.skeleton import Skeleton, load_skeleton
from lib.tasks.sets import NetworkSets
from lib.tasks.splits import build_source
from lib.tasks.topdown_options import add_negatives
from lib.utils.errors import ConfigError


def training_people(
    cfg: CfgNode, sets: NetworkSets, input_size: Size
) -> tuple[PersonTable, Skeleton]:
    """Return the people of one data set, with the joints that the network predicts.

    Args:
        cfg: of the set, as if it were the only one.
        sets: what the network predicts.
        input_size: ``(width, height)`` of the network input in pixels.

    Raises:
        ConfigError: there is nobody to train on.
    """
    if cfg.DATASET.BOX_FILE:
        return _people_of_boxes(cfg, sets)
    source = build_source(cfg, train=True)
    people, skeleton = read_people(source, source_skeleton(source, cfg.DATASET.SKELETON))
    target = sets.target
    sets.check(skeleton, source)
    if target is not None:
        people = place_joints(people, skeleton, target, cfg.DATASET.RENAME)
        people = people.select(np.asarray((people.visibility > 0).any(axis=1)))
    if cfg.DATASET.SELECT_DATA:
        crops = person_crops(people, input_size)
        near = joints_near_crop_centre(crops, people.keypoints, people.visibility)
        people = people.select(near)
    if not len(people):
        raise ConfigError(f"{source.annotation} holds nobody to train on.")
    return add_negatives(cfg, source, people), target or skeleton


def refuse_untaught(members: Sequence[CfgNode]) -> None:
    """Say that people without joints are of no use where nobody teaches.

    Raises:
        ConfigError: a set has such people.
    """
    for one in members:
        if one.DATASET.BOX_FILE:
            raise ConfigError(
                f"DATASET.BOX_FILE {one.DATASET.BOX_FILE} brings people without joints, and nobody "
                "teaches them: set TRAIN.TEACHER, or remove the key."
            )


def _people_of_boxes(cfg: CfgNode, sets: NetworkSets) -> tuple[PersonTable, Skeleton]:
    """Return the people that a detector found, no joint of whom is labelled: a teacher knows them.

    The annotation file of the set says which pictures there are; people in it do not count.
    """
    source = build_source(cfg, train=True)
    known = source_skeleton(source, cfg.DATASET.SKELETON)
    images = read_source(replace(source, has_truth=False), known)
    skeleton = sets.target or known or load_skeleton("coco")
    sets.check(skeleton, source)
    file = Path(cfg.DATASET.BOX_FILE)
    below = Path(cfg.DATASET.ROOT) / file
    if not file.is_file() and below.is_file():
        file = below
    people = read_detections(
        file,
        images.people.images,
        skeleton.num_joints,
        cfg.TEST.IMAGE_THRE,
        key="DATASET.BOX_FILE",
    )
    if not len(people):
        raise ConfigError(f"DATASET.BOX_FILE {file} has nobody in the pictures of this set.")
    return people, skeleton
