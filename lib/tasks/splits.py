"""Configuration -> files of a split and the evaluator of the test split, for all tasks."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from lib.annotations.form import Annotations
from lib.annotations.mpii import read_mpii
from lib.config.variants import member_configs
from lib.datasets.sources import Source, locate, read_source, source_content, source_skeleton
from lib.evaluation import CocoEvaluator, CrowdPoseEvaluator, MpiiEvaluator, WholeBodyEvaluator
from lib.structures.skeleton import Skeleton, load_skeleton
from lib.tasks.base import Evaluator
from lib.utils.errors import ConfigError, did_you_mean
from lib.utils.files import fault_in

logger = logging.getLogger(__name__)

EVALUATORS = {"crowdpose": CrowdPoseEvaluator, "wholebody": WholeBodyEvaluator}


def build_source(cfg: CfgNode, *, train: bool) -> Source:
    """Return the files of the training or test split."""
    node = cfg.DATASET
    if node.MIX:
        raise ConfigError(
            "DATASET.MIX holds several data sets, and this is about one: name a YAML with that one "
            "alone (and MODEL.SKELETON, if the network predicts other joints)."
        )
    return locate(
        node.DATASET if train else node.DATASET_TEST or node.DATASET,
        node.ROOT,
        node.TRAIN_SET if train else node.TEST_SET,
        annotation=node.ANNOTATION if train else node.ANNOTATION_TEST,
        images=node.IMAGES if train else node.IMAGES_TEST,
        data_format=node.DATA_FORMAT,
        category=node.CATEGORY,
        ending="" if train else "_TEST",
    )


def read_labels(cfg: CfgNode, source: Source, *, with_segmentation: bool = False) -> Annotations:
    """Return everybody in the file of a split of ``cfg``, with ``DATASET.SKELETON`` if it is set.

    Raises:
        DataError: as ``read_source``.
    """
    known = source_skeleton(source, cfg.DATASET.SKELETON)
    return read_source(source, known, with_segmentation=with_segmentation)


def build_evaluator(
    cfg: CfgNode, source: Source, skeleton: Skeleton, **coco_options: Any
) -> Evaluator:
    """Return the evaluator that the kind of data set is scored by.

    Args:
        cfg: the configuration.
        source: files of the test split.
        skeleton: joints of the data set.
        coco_options: keywords of ``CocoEvaluator`` that depend on the task.
    """
    if source.kind == "mpii":
        truth = Path(cfg.DATASET.ROOT) / "annot" / f"gt_{cfg.DATASET.TEST_SET}.mat"
        people = len(read_mpii(source.annotation, source.images))
        if not truth.is_file():
            _warn_of_no_truth(truth)
            return MpiiEvaluator(None)
        return MpiiEvaluator(truth, people, str(source.annotation))
    evaluator = EVALUATORS.get(source.kind, CocoEvaluator)(
        read_labels(cfg, source),
        skeleton,
        set_name=cfg.DATASET.TEST_SET,
        evaluator="own" if cfg.TEST.EVALUATOR == "auto" else cfg.TEST.EVALUATOR,
        **coco_options,
    )
    if not cfg.TEST.METRICS:
        return evaluator
    from lib.evaluation.more import MoreMetrics

    content = functools.partial(source_content, source, evaluator.truth.skeleton)
    return MoreMetrics(evaluator, cfg.TEST.METRICS, content)


def check_metrics(cfg: CfgNode) -> None:
    """Refuse ``TEST.METRICS`` that are not there before anything is trained.

    Raises:
        ConfigError: a name is unknown, or the people are MPII's, which have one metric.
    """
    if not cfg.TEST.METRICS:
        return
    from lib.evaluation.metrics import METRICS

    for name in cfg.TEST.METRICS:
        if name not in METRICS:
            raise ConfigError(f"TEST.METRICS: no metric '{name}'.{did_you_mean(name, METRICS)}")
    if any(build_source(one, train=False).kind == "mpii" for one in member_configs(cfg)):
        raise ConfigError("TEST.METRICS are for COCO's format; MPII has PCKh: leave it out.")


@functools.cache  # once, not with every evaluation of a training
def _warn_of_no_truth(truth: Path) -> None:
    logger.warning(
        "There is no ground truth %s%s: predictions are written, and not scored.",
        truth,
        fault_in(truth),
    )


def task_skeleton(
    cfg: CfgNode, source: Source, from_annotations: Callable[[], Skeleton]
) -> Skeleton:
    """Return the joints: ``DATASET.SKELETON``, the data set's own, or those of its annotations.

    Without an annotation file (a model is used on pictures, away from its data) seventeen joints
    are taken to be COCO's.

    Raises:
        ConfigError: nothing says what the joints are.
    """
    known = source_skeleton(source, cfg.DATASET.SKELETON)
    if known is not None:
        return known
    if source.annotation.is_file():
        return from_annotations()
    coco = load_skeleton("coco")
    if coco.num_joints != cfg.MODEL.NUM_JOINTS:
        raise ConfigError(
            f"Nothing names the {cfg.MODEL.NUM_JOINTS} joints: {source.annotation} is not there"
            f"{fault_in(source.annotation)}; check {source.annotation_key}, or set "
            "DATASET.SKELETON to a skeleton file."
        )
    return coco


NO_PAIRS = (
    "no joints are known to be mirror images of each other, but pictures are mirrored: write "
    "'flip_pairs' into a skeleton YAML (DATASET.SKELETON), or set DATASET.FLIP 0 and "
    "TEST.FLIP_TEST false if the joints have no sides"
)


def mirrors_unpaired(cfg: CfgNode, skeleton: Skeleton) -> bool:
    """Return whether pictures are mirrored although left and right of the joints are not known."""
    mirrored = cfg.DATASET.FLIP > 0 or cfg.TEST.FLIP_TEST
    return bool(mirrored and skeleton.num_joints > 1 and not skeleton.flip_pairs)


def warn_of_no_pairs(cfg: CfgNode, skeleton: Skeleton) -> None:
    """Say once where pictures are mirrored although left and right of the joints are not known."""
    if mirrors_unpaired(cfg, skeleton):
        _say_no_pairs(skeleton.joints)


@functools.cache  # once
def _say_no_pairs(joints: tuple[str, ...]) -> None:
    logger.warning("Joints %s: %s.", ", ".join(joints), NO_PAIRS)


def check_joints(cfg: CfgNode, skeleton: Skeleton, source: Source, *, centre: bool = False) -> None:
    """Refuse people with other joints than the model's; warn where they cannot be mirrored.

    Args:
        cfg: the configuration.
        skeleton: joints of the people.
        source: where they come from, for the message.
        centre: the model can learn the centre of a person beside its joints.

    Raises:
        ConfigError: with both numbers; or a centre is asked for that the model cannot learn.
    """
    warn_of_no_pairs(cfg, skeleton)
    if cfg.DATASET.WITH_CENTER and not centre:
        raise ConfigError(
            "DATASET.WITH_CENTER adds the centre of a person to the joints, which bottom-up models "
            "only can learn; leave it out."
        )
    joints = cfg.MODEL.NUM_JOINTS - cfg.DATASET.WITH_CENTER
    if skeleton.num_joints != joints:
        raise ConfigError(
            f"MODEL.NUM_JOINTS is {joints}, but people in {source.annotation} have "
            f"{skeleton.num_joints} joints ({skeleton.name}); set MODEL.NUM_JOINTS to it."
        )


def uses_truth(cfg: CfgNode) -> bool:
    """Return whether people are tested in their annotated boxes; MPII has no others."""
    return cfg.TEST.USE_GT_BBOX or build_source(cfg, train=False).kind == "mpii"


def box_source(cfg: CfgNode) -> str:
    """Return whose boxes a test uses, in words; of a mix for each set."""
    parts = []
    for one in member_configs(cfg):
        if cfg.DATASET.MIX and not (one.DATASET.TEST_SET or one.DATASET.ANNOTATION_TEST):
            continue
        boxes = "annotated" if uses_truth(one) else f"detector {one.TEST.COCO_BBOX_FILE}"
        parts.append(f"{one.DATASET.NAME} {boxes}" if cfg.DATASET.MIX else boxes)
    return ", ".join(parts)


def detector_file(cfg: CfgNode) -> Path:
    """Return ``TEST.COCO_BBOX_FILE``; failing that, the file of that name below the data set.

    Raises:
        ConfigError: the key is empty although ``TEST.USE_GT_BBOX`` is false.
    """
    if not cfg.TEST.COCO_BBOX_FILE:
        raise ConfigError(
            "TEST.COCO_BBOX_FILE is empty; name a detector file or set TEST.USE_GT_BBOX true."
        )
    file = Path(cfg.TEST.COCO_BBOX_FILE)
    below = Path(cfg.DATASET.ROOT) / "person_detection_results" / file.name
    return below if not file.is_file() and below.is_file() else file
