"""Configuration -> trackers."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path

from yacs.config import CfgNode

from lib.config.origin import flat_values
from lib.engine.trackers import board, mlflow_store, wandb_store  # noqa: F401 - fill the registry
from lib.engine.trackers.base import TRACKERS, Place, Tracker
from lib.engine.trackers.follower import Follower
from lib.utils.errors import ConfigError

JSONL = "jsonl"  # metrics.jsonl, which is always written


def check_trackers(cfg: CfgNode) -> None:
    """Look for the packages that ``LOGGERS`` needs, before a training starts.

    Raises:
        ConfigError: there is no such logger, or its package is not installed.
    """
    for name in _names(cfg):
        package = TRACKERS[name].package
        if package and find_spec(package) is None:
            raise ConfigError(
                f"LOGGERS {name} takes the package {package}: pip install -e '.[track]', or remove "
                "it from LOGGERS."
            )
    if cfg.TRACKING.OFFLINE and cfg.TRACKING.URI:
        raise ConfigError(
            f"TRACKING.URI {cfg.TRACKING.URI} is a server, but TRACKING.OFFLINE is true; set it to "
            "false, or remove the URI."
        )


def build_trackers(
    cfg: CfgNode, folder: Path, log_folder: Path | None, step: int
) -> tuple[list[Tracker], list[Follower]]:
    """Return what takes records at once, and what follows ``metrics.jsonl``.

    Args:
        cfg: the complete tree.
        folder: run folder.
        log_folder: TensorBoard files; None writes none.
        step: optimiser steps done before, when resuming.
    """
    live: list[Tracker] = []
    followers: list[Follower] = []
    for name in _names(cfg):
        kind = TRACKERS[name]
        make = partial(
            Place,
            folder=folder,
            log_folder=log_folder or folder,
            store=(Path(cfg.LOG_DIR) if log_folder else folder) / "mlruns",
            project=cfg.TRACKING.PROJECT,
            name="/".join(folder.resolve().parts[-2:]),
            config=flat_values(cfg),
            offline=cfg.TRACKING.OFFLINE,
            address=cfg.TRACKING.URI,
            step=step,
        )
        if not kind.live:
            open_tracker = partial(_open, kind, make)
            followers.append(Follower(name, open_tracker, folder / "metrics.jsonl"))
        elif log_folder is not None:
            live.append(kind(make()))
    return live, followers


def _open(kind: type[Tracker], make: partial[Place], identity: str) -> Tracker:
    return kind(make(identity=identity))


def _names(cfg: CfgNode) -> list[str]:
    return [name for name in dict.fromkeys(cfg.LOGGERS) if name != JSONL]
