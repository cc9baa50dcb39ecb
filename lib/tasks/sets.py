"""The data sets of a run, one or those of ``DATASET.MIX``, and the joints of its network.

A member is a complete configuration, as if its set were the only one. Without a mix there is one,
the configuration itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import numpy as np
from yacs.config import CfgNode

from lib.config.variants import member_configs
from lib.datasets.mix import exact_shares
from lib.datasets.sources import Source, read_people, source_skeleton
from lib.structures.results import Poses
from lib.structures.skeleton import Skeleton, load_skeleton
from lib.structures.union import joint_places, union_skeleton
from lib.tasks.base import Evaluator, Metrics, Task
from lib.tasks.splits import build_source, check_joints
from lib.utils.errors import ConfigError, did_you_mean


def training_members(cfg: CfgNode) -> list[CfgNode]:
    """Return the members that are trained on, all of them without a mix.

    Raises:
        ConfigError: none of a mix is.
    """
    if not cfg.DATASET.MIX:
        return [cfg]
    members = [one for one in member_configs(cfg) if has_split(one, train=True)]
    if not members:
        raise ConfigError("No entry of DATASET.MIX has a TRAIN_SET: there is nothing to train on.")
    return members


def test_members(cfg: CfgNode) -> dict[str, CfgNode]:
    """Return the members of a mix that are tested on, by their names.

    Raises:
        ConfigError: none is.
    """
    members = {one.DATASET.NAME: one for one in member_configs(cfg) if has_split(one, train=False)}
    if not members:
        raise ConfigError("No entry of DATASET.MIX has a TEST_SET: there is nothing to test on.")
    return members


def member_alone(cfg: CfgNode, name: str = "") -> CfgNode:
    """Return a member of a mix as a run of its own, of the same network; ``cfg`` without a mix.

    Args:
        cfg: of the mix.
        name: of the set; empty: the first.

    Raises:
        ConfigError: there is no such set.
    """
    if not cfg.DATASET.MIX:
        return cfg
    members = {one.DATASET.NAME: one for one in member_configs(cfg)}
    name = name or next(iter(members))
    if name not in members:
        raise ConfigError(f"DATASET.MIX has no entry {name}.{did_you_mean(name, members)}")
    alone = members[name].clone()
    alone.defrost()
    skeleton = network_skeleton(cfg)
    alone.MODEL.SKELETON = "" if skeleton is None else json.dumps(asdict(skeleton))
    alone.freeze()
    return alone


def network_skeleton(cfg: CfgNode) -> Skeleton | None:
    """Return ``MODEL.SKELETON``, or the union of a mix; None: the joints of the only data set.

    Raises:
        ConfigError: it has another number of joints than ``MODEL.NUM_JOINTS``.
    """
    if cfg.MODEL.SKELETON:
        skeleton, what = load_skeleton(cfg.MODEL.SKELETON), f"MODEL.SKELETON {cfg.MODEL.SKELETON}"
    elif cfg.DATASET.MIX:
        members = member_configs(cfg)
        members = [one for one in members if not one.DATASET.BOX_FILE] or members  # that label
        parts = [(member_skeleton(one), one.DATASET.RENAME) for one in members]
        skeleton, what = union_skeleton(parts), "the union of the sets of DATASET.MIX"
    else:
        return None
    if skeleton.num_joints != cfg.MODEL.NUM_JOINTS - cfg.DATASET.WITH_CENTER:
        raise ConfigError(
            f"MODEL.NUM_JOINTS is {cfg.MODEL.NUM_JOINTS - cfg.DATASET.WITH_CENTER}, but {what} has "
            f"{skeleton.num_joints} joints: {', '.join(skeleton.joints)}; set MODEL.NUM_JOINTS to "
            f"{skeleton.num_joints}."
        )
    return skeleton


def member_skeleton(cfg: CfgNode) -> Skeleton:
    """Return what a set of a mix labels: ``SKELETON``, its kind's joints, or those of its files.

    Away from the data, a set in COCO's format is taken to label COCO's joints.
    """
    for train in (False, True):  # the test split is the smaller file
        source = build_source(cfg, train=train)
        known = source_skeleton(source, cfg.DATASET.SKELETON)
        if known is not None:
            return known
        if has_split(cfg, train=train) and source.annotation.is_file():
            return read_people(source, None)[1]
    return load_skeleton("coco")


def shares(members: Sequence[CfgNode], sizes: Sequence[int]) -> list[tuple[int, int]] | None:
    """Return ``(size, samples per epoch)`` of each set that is trained on; None for one alone.

    Raises:
        ConfigError: a set would never be shown.
    """
    if len(members) == 1:
        return None
    found = exact_shares(sizes, [one.DATASET.WEIGHT for one in members])
    for one, (_, count) in zip(members, found, strict=True):
        if not count:
            raise ConfigError(
                f"DATASET.MIX: by its WEIGHT {one.DATASET.WEIGHT:g}, {one.DATASET.NAME} has no "
                f"sample in an epoch of {sum(sizes)}; give it more, or leave its TRAIN_SET empty."
            )
    return found


class SetEvaluator:
    """Scores the joints that a data set labels, of all that a network predicts.

    Args:
        evaluator: of the data set.
        places: (K,) the network's number of each joint of the data set.
        name: of the set in a mix; its files go to ``results/<name>``.
    """

    def __init__(self, evaluator: Evaluator, places: np.ndarray, name: str = "") -> None:
        self.evaluator, self.places, self.name = evaluator, places, name
        self.primary = evaluator.primary

    def update(self, poses: Poses) -> None:
        """Take people with all joints of the network."""
        self.evaluator.update(poses.joints(self.places))

    def compute(self) -> Metrics:
        """Return the scores by name."""
        return self.evaluator.compute()

    def write(self, folder: Path) -> list[Path]:
        """Write the predictions, with the joints of the data set."""
        return self.evaluator.write(folder / "results" / self.name if self.name else folder)


class NetworkSets:
    """What the network of a task predicts, and the data sets that it learns and is scored by.

    Args:
        cfg: of the run, or of a member of its mix.
        predicted: what the network of a mix predicts, for the task of a member.
    """

    def __init__(self, cfg: CfgNode, predicted: Skeleton | None = None) -> None:
        self.cfg = cfg
        self._predicted = predicted
        self._tests: dict[str, Task] = {}

    @cached_property
    def target(self) -> Skeleton | None:
        """Joints of the network; None: those of the only data set."""
        return self._predicted or network_skeleton(self.cfg)

    def tests(self, task: Task, build: Callable[[CfgNode, Skeleton], Task]) -> Mapping[str, Task]:
        """Return what ``build`` makes of each member that is tested on; ``task`` without a mix."""
        if not self.cfg.DATASET.MIX:
            return {"": task}
        if not self._tests:
            members = test_members(self.cfg)
            self._tests = {name: build(one, task.skeleton) for name, one in members.items()}
        return self._tests

    def evaluator(self, inner: Evaluator, own: Skeleton) -> Evaluator:
        """Return an evaluator of a set with the joints ``own`` that takes those of the network.

        Raises:
            ConfigError: the network lacks joints that the set is scored by.
        """
        if self.target is None:
            return inner
        node = self.cfg.DATASET
        places = joint_places(own, self.target, node.RENAME)
        if (places < 0).any():
            absent = [joint for joint, place in zip(own.joints, places, strict=True) if place < 0]
            raise ConfigError(
                f"{node.NAME or node.DATASET} {node.TEST_SET} is scored by {', '.join(absent)}, "
                "which the network does not predict; leave its TEST_SET empty, or add them to "
                "MODEL.SKELETON."
            )
        return SetEvaluator(inner, places, node.NAME if self._predicted else "")

    def check(self, skeleton: Skeleton, source: Source, *, centre: bool = False) -> None:
        """Refuse people with other joints than the network's, where they are not joined by name.

        Raises:
            ConfigError: see `check_joints`.
        """
        if self.target is None:
            check_joints(self.cfg, skeleton, source, centre=centre)


def has_split(cfg: CfgNode, *, train: bool) -> bool:
    """Return whether a member of a mix is trained on, or tested on."""
    node = cfg.DATASET
    names = (node.TRAIN_SET, node.ANNOTATION) if train else (node.TEST_SET, node.ANNOTATION_TEST)
    return any(names)
