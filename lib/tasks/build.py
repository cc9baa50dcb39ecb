"""Configuration -> task."""

from __future__ import annotations

from collections.abc import Callable

from yacs.config import CfgNode

from lib.models.recipes import RECIPES
from lib.tasks.base import Task
from lib.tasks.bottomup import BottomUpTask
from lib.tasks.rcnn import RcnnTask
from lib.tasks.topdown import TopDownTask

TASKS: dict[str, Callable[[CfgNode], Task]] = {
    "bottomup": BottomUpTask,
    "rcnn": RcnnTask,
    "topdown": TopDownTask,
}


def build_task(cfg: CfgNode) -> Task:
    """Return the task that the recipe ``MODEL.NAME`` serves; ``posenet`` serves ``MODEL.TASK``."""
    name = cfg.MODEL.TASK if cfg.MODEL.NAME == "posenet" else RECIPES[cfg.MODEL.NAME].task
    return TASKS[name](cfg)
