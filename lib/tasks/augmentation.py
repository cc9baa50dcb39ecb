"""Configuration -> what may be done to training images, for all tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from yacs.config import CfgNode

from lib.config.photometric import operations
from lib.config.variants import first_epoch, stages
from lib.datasets.photometric import Operation
from lib.datasets.stages import Stages

T = TypeVar("T")


def build_operations(cfg: CfgNode) -> dict[str, Operation]:
    """Return the operations of ``DATASET.PHOTOMETRIC`` that may be done."""
    return {name: Operation(*op) for name, op in operations(cfg.DATASET.PHOTOMETRIC).items()}


def build_stages(cfg: CfgNode, build: Callable[[CfgNode], T]) -> Stages[T]:
    """Return what ``build`` makes of each stage of ``DATASET.STAGES``, and when it begins."""
    start = first_epoch(cfg)  # keys count passes from 0
    later = tuple((epoch - start, build(stage)) for epoch, stage in stages(cfg))
    return Stages(build(cfg), later)
