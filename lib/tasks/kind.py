"""Which task a configuration is about."""

from __future__ import annotations

from yacs.config import CfgNode

from lib.models.recipes import RECIPES


def task_kind(cfg: CfgNode) -> str:
    """Return the task that the recipe ``MODEL.NAME`` serves; for ``posenet``, ``MODEL.TASK``."""
    return cfg.MODEL.TASK if cfg.MODEL.NAME == "posenet" else RECIPES[cfg.MODEL.NAME].task
