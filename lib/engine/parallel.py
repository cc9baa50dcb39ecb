"""One network on many devices: DataParallel, DistributedDataParallel, SyncBN, torch.compile."""

from __future__ import annotations

import logging
from typing import cast

import torch
from torch import nn
from yacs.config import CfgNode

from lib.engine.distributed import current_world
from lib.utils.errors import ConfigError

logger = logging.getLogger(__name__)

_TORCHRUN = "torchrun --nproc_per_node {count} tools/train.py --cfg ..."


def check_layout(cfg: CfgNode, gpus: list[int], *, data_parallel: bool) -> None:
    """Refuse what DataParallel cannot do, before anything is loaded.

    Args:
        cfg: ``MODEL.SYNC_BN``.
        gpus: GPUs of this process.
        data_parallel: whether the task's model takes one tensor of images, which can be split.

    Raises:
        ConfigError: with the ``torchrun`` line that does it.
    """
    if len(gpus) < 2:
        return
    command = _TORCHRUN.format(count=len(gpus))
    if cfg.MODEL.SYNC_BN:
        raise ConfigError(
            f"MODEL.SYNC_BN needs one process per GPU, GPUS {tuple(gpus)} is one process; "
            f"start it with: {command}"
        )
    if not data_parallel:
        raise ConfigError(
            f"{cfg.MODEL.NAME} takes images of different sizes, which DataParallel cannot split "
            f"over GPUS {tuple(gpus)}; start it with: {command}"
        )


def sync_batch_norm(network: nn.Module, device: torch.device) -> nn.Module:
    """Let batch-norm use the statistics of all ranks, where that can run; else say why not.

    timm's converter also knows timm's fused norm-activation layers, whose activation torch's loses.
    """
    from timm.layers.norm_act import convert_sync_batchnorm

    if current_world().size == 1:
        logger.info("MODEL.SYNC_BN has no effect with one process.")
        return network
    if device.type != "cuda":
        logger.warning(
            "MODEL.SYNC_BN runs on GPUs only; on CPU ranks each keeps the batch statistics of its "
            "own samples, so results differ from one process with the whole batch."
        )
        return network
    return convert_sync_batchnorm(network)


def wrap(cfg: CfgNode, network: nn.Module, device: torch.device, gpus: list[int]) -> nn.Module:
    """Return what the training step calls; ``network`` keeps the weights and their names.

    Rank 0's initial weights and buffers reach all ranks here.
    """
    model = cast(nn.Module, torch.compile(network)) if cfg.TRAIN.COMPILE else network
    if torch.distributed.is_initialized():
        ids = [device.index] if device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(
            model, device_ids=ids, gradient_as_bucket_view=True
        )
    if len(gpus) > 1:
        return nn.DataParallel(model, device_ids=gpus)
    return model
