"""Configuration -> what trains: the network, its state, the step, the stream of batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from yacs.config import CfgNode

from lib.engine.checkpointing import Payload
from lib.engine.device import build_precision, check_global_batch, place
from lib.engine.distributed import current_world
from lib.engine.ema import WeightAverage
from lib.engine.freezing import build_freezing
from lib.engine.optim import build_optimizer, scaled_rate
from lib.engine.parallel import sync_batch_norm, wrap
from lib.engine.plan import build_plan
from lib.engine.recomputing import recompute_stages
from lib.engine.sampling import EpochSampler
from lib.engine.schedules import build_scheduler
from lib.engine.state import TrainState
from lib.engine.step import TrainStep, build_scaler
from lib.engine.stream import TrainStream
from lib.engine.worst import WorstSamples
from lib.tasks.base import Task
from lib.tasks.card import build_card, training_data
from lib.utils.workers import limit_workers


def build_parts(
    cfg: CfgNode,
    task: Task,
    device: torch.device,
    gpus: list[int],
    payload: Payload | None = None,
    initialise: Callable[[nn.Module], object] | None = None,
) -> tuple[TrainState, TrainStep, TrainStream]:
    """Return what trains, with the weights of a checkpoint or those that ``initialise`` loads.

    Args:
        cfg: the complete tree.
        task: what to train.
        device: of this process.
        gpus: their numbers; none on the CPU.
        payload: of the checkpoint; the state is that of the start all the same, see `TrainState`.
        initialise: see `fit`.
    """
    stream = _build_stream(cfg, task, device, len(gpus))
    steps_per_pass = -(-len(stream) // cfg.TRAIN.ACCUMULATE)
    network = _build_network(cfg, task, device, payload, initialise)
    batch = stream.sampler.batch_size * current_world().size * cfg.TRAIN.ACCUMULATE
    check_global_batch(cfg.TRAIN.GLOBAL_BATCH, batch)
    state, step = _build_state(cfg, task, network, device, gpus, steps_per_pass, batch)
    return state, step, stream


def _build_stream(cfg: CfgNode, task: Task, device: torch.device, gpus: int) -> TrainStream:
    world = current_world()
    data = task.build_train_dataset()
    sampler = EpochSampler(
        len(data),
        cfg.TRAIN.BATCH_SIZE_PER_GPU * max(gpus, 1),
        seed=cfg.SEED,
        shuffle=cfg.TRAIN.SHUFFLE,
        rank=world.rank,
        world=world.size,
        groups=task.group_ids(),
        together=data.sources if cfg.TRAIN.WHOLE_IMAGES else None,
        shares=data.shares,
    )
    workers = limit_workers(cfg.WORKERS)
    pin = cfg.PIN_MEMORY and device.type == "cuda"
    digest = world.is_main and cfg.FLIGHT > 0
    return TrainStream(task, data, sampler, workers=workers, pin=pin, digest=digest)


def _build_network(
    cfg: CfgNode,
    task: Task,
    device: torch.device,
    payload: Payload | None,
    initialise: Callable[[nn.Module], object] | None,
) -> nn.Module:
    network = task.build_model()
    recompute_stages(cfg, network)
    if payload is not None:
        network.load_state_dict(payload["state_dict"])
    elif initialise is not None:
        initialise(network)
    network = place(network, device)
    return sync_batch_norm(network, device) if cfg.MODEL.SYNC_BN else network


def _build_state(
    cfg: CfgNode,
    task: Task,
    network: nn.Module,
    device: torch.device,
    gpus: list[int],
    steps_per_pass: int,
    batch: int,
) -> tuple[TrainState, TrainStep]:
    """Return the parts of a run at its start; ``batch`` is that of a step, of all processes."""
    plan = build_plan(cfg, steps_per_pass)
    freezing = build_freezing(cfg, network, plan)
    if freezing.until is None:  # else the optimiser holds what will be trained later, too
        freezing.apply(network, 0)
    optimizer = build_optimizer(cfg, network, scaled_rate(cfg, batch))
    freezing.apply(network, 0)
    precision = build_precision(cfg, device)
    scaler = build_scaler(cfg, precision)
    wrap_model = partial(wrap, cfg, network, device, gpus)
    model = wrap_model()  # before the average: it brings rank 0's weights
    ema = cfg.TRAIN.EMA
    average = WeightAverage(network, ema, cfg.TRAIN.EMA_RAMP) if ema else None
    schedule = build_scheduler(cfg, plan)
    state = TrainState(
        network,
        optimizer,
        schedule,
        scaler,
        average,
        plan,
        device,
        cfg.SEED,
        meta={**build_card(cfg, task), "data": training_data(cfg)},
        freezing=freezing,
        patience=cfg.TRAIN.EARLY_STOP,
        worst=WorstSamples(cfg.TRAIN.WORST),
        judge=cfg.TEST.BEST,
    )
    step = TrainStep(
        task,
        model,
        optimizer,
        device=device,
        precision=precision,
        scaler=scaler,
        clip_norm=cfg.TRAIN.CLIP_NORM,
        average=average,
        wrap_model=wrap_model,
    )
    return state, step
