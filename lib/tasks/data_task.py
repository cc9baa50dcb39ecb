"""What the tasks of this package share: a configuration, its data sets, the network's joints."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from torch import nn
from yacs.config import CfgNode

from lib.datasets.sources import Source
from lib.models import build_model
from lib.structures.skeleton import Skeleton
from lib.tasks.base import Evaluator, Task
from lib.tasks.sets import NetworkSets
from lib.tasks.splits import build_evaluator, build_source, task_skeleton


class DataTask(Task):
    """A task that learns and is scored by one data set, or by those of ``DATASET.MIX``."""

    def __init__(self, cfg: CfgNode, skeleton: Skeleton | None = None) -> None:
        """Build the task of ``cfg``; ``skeleton`` is what the network of a mix predicts."""
        self.cfg = cfg
        self.sets = NetworkSets(cfg, skeleton)
        self.num_joints: int = cfg.MODEL.NUM_JOINTS

    def build_model(self) -> nn.Module:
        """Return the network of ``MODEL`` with its initialisation."""
        return build_model(self.cfg)

    @property
    def skeleton(self) -> Skeleton:
        """Joints that the network predicts; see ``network_skeleton``, ``task_skeleton``."""
        return self._skeleton

    @property
    def test_sets(self) -> Mapping[str, Task]:
        """A task for each data set of a mix that is tested on."""
        return self.sets.tests(self, type(self))

    @property
    def best(self) -> str:
        """``TEST.BEST``."""
        return self.cfg.TEST.BEST

    @cached_property
    def test_source(self) -> Source:
        """The files of the test split."""
        return self._source(train=False)

    def _source(self, *, train: bool) -> Source:
        """Return the files of a split; scripts outside find them by this name."""
        return build_source(self.cfg, train=train)

    @abstractmethod
    def labelled_skeleton(self) -> Skeleton:
        """Return the joints that the test split labels; its annotations are read."""

    def _evaluator(self, **options: Any) -> Evaluator:
        """Return the evaluator of the test split for all joints of the network.

        Args:
            options: keywords of ``CocoEvaluator`` that depend on the task.
        """
        own = self.labelled_skeleton() if self.sets.target else self.skeleton
        options["calibration"] = self.calibration
        return self.sets.evaluator(build_evaluator(self.cfg, self.test_source, own, **options), own)

    @cached_property
    def _skeleton(self) -> Skeleton:
        if self.sets.target is not None:
            return self.sets.target
        return task_skeleton(self.cfg, self.test_source, self.labelled_skeleton)
