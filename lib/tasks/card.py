"""What a run writes about its model into weight files and exports; see ``lib.zoo.card``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from yacs.config import CfgNode

import lib
from lib.config.loader import config_text
from lib.structures.skeleton import Skeleton, is_shipped
from lib.tasks.base import Task
from lib.tasks.sets import training_members
from lib.tasks.splits import build_source
from lib.zoo.fetch import file_hash


def build_card(cfg: CfgNode, task: Task) -> dict[str, Any]:
    """Return what one must know to use the weights without the YAML, the data or this folder."""
    return {
        "model": cfg.MODEL.NAME,
        **task.describe(),
        "skeleton": asdict(task.skeleton),
        "config": config_text(portable_config(cfg, task.skeleton)),
        "version": lib.__version__,
    }


def portable_config(cfg: CfgNode, skeleton: Skeleton) -> CfgNode:
    """Return ``cfg`` with the joints in it, and without files that only training wants."""
    copy = cfg.clone()
    copy.defrost()
    text = skeleton.name if is_shipped(skeleton) else json.dumps(asdict(skeleton))
    copy.DATASET.SKELETON = text
    if copy.MODEL.SKELETON:
        copy.MODEL.SKELETON = text
    if copy.DATASET.MIX:  # whoever uses the weights has other data, or none
        copy.DATASET.MIX, copy.DATASET.DATASET = [], "custom"
    copy.MODEL.PRETRAINED = copy.TEST.MODEL_FILE = copy.TRAIN.TEACHER = copy.TRAIN.TEACHER_CFG = ""
    copy.TRAIN.RESUME = copy.AUTO_RESUME = False
    return copy


def training_data(cfg: CfgNode) -> list[dict[str, str]]:
    """Return name and SHA-256 of the training annotations, as far as they are files."""
    sources = [build_source(one, train=True) for one in training_members(cfg)]
    files = [file for source in sources for file in source.files]
    return [{"file": file.name, "sha256": file_hash(file)} for file in files if file.is_file()]
