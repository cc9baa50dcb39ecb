"""Configuration -> task."""

from __future__ import annotations

from collections.abc import Callable

from yacs.config import CfgNode

from lib.tasks.base import Task
from lib.tasks.bottomup import BottomUpTask
from lib.tasks.kind import task_kind
from lib.tasks.rcnn import RcnnTask
from lib.tasks.splits import check_metrics
from lib.tasks.topdown import TopDownTask

TASKS: dict[str, Callable[[CfgNode], Task]] = {
    "bottomup": BottomUpTask,
    "rcnn": RcnnTask,
    "topdown": TopDownTask,
}


def build_task(cfg: CfgNode) -> Task:
    """Return the task of ``cfg``, see `task_kind`."""
    check_metrics(cfg)
    return TASKS[task_kind(cfg)](cfg)
