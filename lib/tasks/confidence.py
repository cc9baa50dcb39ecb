"""Scores that mean what they say, of the people that a caller asks for (``TEST.CALIBRATE``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from yacs.config import CfgNode

from lib.evaluation.calibration import Calibration, read_calibration
from lib.evaluation.oks import rescore
from lib.structures.results import Poses
from lib.tasks.base import Task
from lib.utils.errors import ConfigError


@dataclass(frozen=True)
class Confidence:
    """Makes probabilities of the scores of poses.

    The map of people was fitted on result files, so their scores are first made as tests make
    them. The score of a box that a caller gives is not known, and counts as 1.

    Attributes:
        calibration: the maps.
        rescored: whether tests multiply the score of a person by the mean of its joints'.
        given_boxes: whether the boxes are a caller's.
        least: joint score above which a joint counts in that mean.
    """

    calibration: Calibration
    rescored: bool
    given_boxes: bool
    least: float

    def __call__(self, poses: Poses) -> Poses:
        """Return poses with mapped scores; where they are stays as it is."""
        joints = poses.keypoint_scores
        people = poses.scores
        if self.rescored:
            boxes = np.ones(len(people), people.dtype) if self.given_boxes else people
            people = rescore(joints, boxes, self.least)
        columns = zip(self.calibration.joints, joints.T, strict=True)
        mapped = np.stack([one(scores) for one, scores in columns], axis=1)
        return replace(
            poses,
            keypoint_scores=mapped.astype(np.float32),
            scores=self.calibration.person(people).astype(np.float32),
        )


def build_confidence(cfg: CfgNode, task: Task, card: Mapping[str, Any], weights: str) -> Confidence:
    """Return what the card of weights says about their scores.

    Args:
        cfg: the configuration.
        task: that the weights are used by.
        card: of the weights.
        weights: their file, for messages.

    Raises:
        ConfigError: the weights have no calibration, or one of other joints; or ``DATASET.MIX``
            tests on several sets, whose scores mean different things.
        DataError: the calibration is damaged.
    """
    if cfg.DATASET.MIX:
        raise ConfigError(
            "TEST.CALIBRATE maps the scores of one data set, and DATASET.MIX has several: set it "
            "false, or name a YAML with one."
        )
    if "calibration" not in card:
        raise ConfigError(
            f"TEST.CALIBRATE is true, but {weights} holds no calibration: make a copy that does by "
            "tools/analyse/calibrate.py GT PRED --weights FILE.safetensors --weights-out NEW."
        )
    calibration = read_calibration(card["calibration"], weights)
    if len(calibration.joints) != task.num_joints:
        raise ConfigError(
            f"The calibration of {weights} is of {len(calibration.joints)} joints, the network "
            f"predicts {task.num_joints}: fit it on results of this network."
        )
    kind = task.describe()["task"]
    one_stage = kind == "rcnn" and cfg.MODEL.EXTRA.TEST.RESCORE
    return Confidence(
        calibration=calibration,
        rescored=bool(one_stage or (kind == "topdown" and cfg.TEST.RESCORE)),
        given_boxes=task.takes_boxes,
        least=cfg.TEST.IN_VIS_THRE,
    )
