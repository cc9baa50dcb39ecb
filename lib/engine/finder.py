"""Try learning rates, or batch sizes, for a few steps; nothing of a run folder is touched."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from yacs.config import CfgNode

from lib.engine.device import setup_device
from lib.engine.memory import peak_of_device, peak_of_process
from lib.engine.parallel import check_layout
from lib.engine.parts import build_parts
from lib.engine.state import TrainState
from lib.engine.step import TrainStep
from lib.engine.stream import Fetched, TrainStream
from lib.tasks.base import Batch, Task
from lib.utils.errors import ConfigError
from lib.utils.seed import seed_everything

BLOWN_UP = 4.0  # times the lowest loss: larger rates tell no more
_MEMORY = 0.9  # of the loss before each step that stays in the smoothed one
_SETTLING = 0.1  # of the steps, the first ones: the average has seen too little to tell a slope

Initialise = Callable[[nn.Module], object]


@dataclass
class RateScan:
    """How the loss went while the learning rate rose.

    Attributes:
        rates: of each step done, rising.
        losses: of each step, before it changed the weights.
        smoothed: the losses, averaged over the steps before.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray

    @property
    def steepest(self) -> float:
        """The rate at which the loss fell fastest per factor of the rate; NaN if it never fell."""
        end = int(np.argmin(self.smoothed)) + 1
        begin = min(round(_SETTLING * len(self.rates)), max(end - 2, 0))
        if end - begin < 2:
            return math.nan
        slopes = np.gradient(self.smoothed[begin:end], np.log(self.rates[begin:end]))
        return float(self.rates[begin + np.argmin(slopes)]) if slopes.min() < 0 else math.nan

    @property
    def lowest(self) -> float:
        """The rate at which the loss was lowest; what learns stably lies well below."""
        return float(self.rates[np.argmin(self.smoothed)])


def scan_rates(
    cfg: CfgNode,
    task: Task,
    *,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
    initialise: Initialise | None = None,
) -> RateScan:
    """Train with a rate that rises from step to step, until the loss blows up (Smith 2017).

    Rates of parts (``LR_MULT``, ``LAYER_DECAY``) keep their factors; what is frozen stays so.

    Args:
        cfg: the complete tree.
        task: what is trained.
        low: first rate.
        high: last rate.
        steps: from the first to the last, at least 3.
        initialise: loads pretrained weights.

    Raises:
        ConfigError: the rates do not rise, there are too few steps, or ``TRAIN.LR`` is 0.
    """
    if not 0 < low < high < math.inf or steps < 3:
        raise ConfigError(
            f"Rates must rise from above 0 in at least 3 steps, got {low:g} to {high:g} in {steps}."
        )
    if not cfg.TRAIN.LR:
        raise ConfigError("TRAIN.LR must be above 0: rates of parts are told by their share of it.")
    state, step, stream = _begin(cfg, task, initialise)
    base = state.optimizer.defaults["lr"]
    rates, losses, smoothed, average = np.geomspace(low, high, steps), [], [], 0.0
    for number, fetched in zip(range(steps), _groups(stream, cfg.TRAIN.ACCUMULATE), strict=False):
        for group in state.optimizer.param_groups:
            group["lr"] = rates[number] * group["initial_lr"] / base
        loss = float(step([item.batch for item in fetched], number + 1)["loss"])
        average = _MEMORY * average + (1 - _MEMORY) * loss
        current = average / (1 - _MEMORY ** (number + 1))
        if not math.isfinite(loss) or (smoothed and current > BLOWN_UP * min(smoothed)):
            break
        losses.append(loss)
        smoothed.append(current)
    if not losses:
        raise ConfigError(f"The loss is not finite at the first step, with a rate of {low:g}.")
    return RateScan(rates[: len(losses)], np.array(losses), np.array(smoothed))


@dataclass
class BatchTrial:
    """What a batch size costs.

    Attributes:
        size: samples per step.
        rate: samples per second, loading apart.
        memory: peak in GiB: of the GPU, or of this process.
    """

    size: int
    rate: float
    memory: float


def scan_batches(
    cfg: CfgNode,
    task: Task,
    *,
    most: int = 1024,
    limit: float = math.inf,
    steps: int = 3,
    initialise: Initialise | None = None,
) -> list[BatchTrial]:
    """Double the batch until it no longer fits, and take times.

    Args:
        cfg: the complete tree; its BATCH_SIZE_PER_GPU does not matter.
        task: what is trained.
        most: largest batch to try.
        limit: GiB of memory at which to stop; where there is no GPU, set one.
        steps: timed ones per size.
        initialise: loads pretrained weights.
    """
    _, step, stream = _begin(cfg, task, initialise)
    trials: list[BatchTrial] = []
    size = 1
    while size <= most:
        keys = [(0, number % stream.sampler.rows) for number in range(size)]
        try:
            trial = _trial(step, stream.load(keys), size, steps)
        except torch.OutOfMemoryError:
            break
        if trial.memory > limit:
            break
        trials.append(trial)
        size *= 2
    return trials


def _begin(
    cfg: CfgNode, task: Task, initialise: Initialise | None
) -> tuple[TrainState, TrainStep, TrainStream]:
    device, gpus = setup_device(cfg)
    check_layout(cfg, gpus, data_parallel=task.splits_batches)
    seed_everything(cfg.SEED)
    task.prepare(device)  # a teacher counts
    state, step, stream = build_parts(cfg, task, device, gpus, initialise=initialise)
    state.freezing.train(state.network, 0)
    return state, step, stream


def _trial(step: TrainStep, batch: Batch, size: int, steps: int) -> BatchTrial:
    device = step.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    step([batch], 1)  # buffers and kernels are made in the first
    begin = _now(device)
    for number in range(steps):
        step([batch], number + 2)
    seconds = _now(device) - begin
    memory = peak_of_device(device) if device.type == "cuda" else peak_of_process()
    return BatchTrial(size, size * steps / seconds, math.nan if memory is None else memory)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _groups(stream: TrainStream, count: int) -> Iterator[list[Fetched]]:
    """Yield the batches of one step after the other, pass after pass, without end."""
    batches = itertools.chain.from_iterable(stream.batches(n) for n in itertools.count())
    while True:
        yield list(itertools.islice(batches, count))
