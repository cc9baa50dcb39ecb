"""Files as the networks of tasks, and what they say of their use."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from yacs.config import CfgNode

from lib.export import FileNetwork, is_exported, open_network
from lib.models import compile_for_prediction, fold_batch_norm, load_weights
from lib.utils.errors import ConfigError, WeightsError

if TYPE_CHECKING:
    from torch import nn

    from lib.tasks.base import Task

logger = logging.getLogger(__name__)


def filled_network(task: Task, cfg: CfgNode, path: Path | None) -> nn.Module:
    """Return the network of ``task`` with the weights of a file, ready to predict, on the CPU.

    Args:
        task: of ``cfg``.
        cfg: the configuration; ``TEST.FOLD_BN`` folds batch-norm, ``TEST.COMPILE`` lets the first
            call compile a top-down network; images of the others differ in size, each would again.
        path: weights in our or an official layout, or an exported model; None: none.

    Raises:
        WeightsError: the file is missing, damaged, or belongs to another model.
        ConfigError: see `open_exported`.
    """
    if path is not None and is_exported(path):
        return open_exported(task, path, cfg.TEST.RUNTIME)
    if cfg.TEST.RUNTIME:
        raise ConfigError(
            f"TEST.RUNTIME {cfg.TEST.RUNTIME} runs exported files; {path or 'no file'} is none; "
            "export it first (tools/export.py), or set TEST.RUNTIME ''."
        )
    network = task.build_model()
    if path is not None:
        report = load_weights(network, path)
        logger.info("%s: %s", path, report)
        warn_of_differences(report.card, task.describe(), str(path))
    if cfg.TEST.FOLD_BN:
        fold_batch_norm(network.eval())
    if cfg.TEST.COMPILE and cfg.MODEL.TASK == "topdown":
        compile_for_prediction(network)
    return network


def open_exported(task: Task, path: str | Path, runtime: str = "") -> FileNetwork:
    """Return a model file as the network of ``task``.

    The file takes normalised pixels, in the order of ``DATASET.COLOR_RGB``, and gives what the task
    reads. A file of ours says in its card how it wants to be used; of other files one has to know
    it.

    Raises:
        WeightsError: the file is missing, damaged, or of other sizes than the configuration.
        ConfigError: the package that runs it is not installed, or it was made for another use.
    """
    file, current = open_network(path, torch.get_num_threads(), runtime), task.describe()
    network = task.adopt(file)
    check_pixels(file.card, current, str(path))
    warn_of_differences(file.card, current, str(path))
    return network


def check_pixels(card: dict[str, Any], current: dict[str, Any], source: str) -> None:
    """Refuse a model file whose card wants pixels normalised by other numbers than ours.

    Raises:
        WeightsError: with both.
    """
    for key in ("mean", "std"):
        if key in card and not np.allclose(card[key], current[key], atol=1e-6):
            raise WeightsError(
                f"{source} needs pixels normalised with {key} {card[key]}; here it is "
                f"{current[key]}."
            )


def warn_of_differences(stored: dict[str, Any], current: dict[str, Any], source: str) -> None:
    """Warn where a model is used otherwise than it was trained, key by key."""
    for key in ("codec", "color_rgb", "mean", "std", "joints"):
        if key in stored and stored[key] != current[key]:
            logger.warning(
                "%s was trained with %s %s, and is used with %s",
                source,
                key,
                *(
                    values if not isinstance(values, list) else ", ".join(map(str, values))
                    for values in (stored[key], current[key])
                ),
            )
