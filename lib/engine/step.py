"""One optimiser step: forward, backward, accumulation, loss scaling, clipping, averaging."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from yacs.config import CfgNode

from lib.engine.clock import StepClock
from lib.engine.device import Precision, to_device
from lib.engine.ema import WeightAverage
from lib.tasks.base import Batch, Task
from lib.utils.losses import SAMPLES
from lib.utils.phases import SENDING

Losses = dict[str, Tensor]


class TrainStep:
    """Changes the weights by one step.

    Args:
        task: computes the losses.
        model: the network, possibly wrapped for several devices.
        optimizer: over the network's parameters.
        device: where the batches go.
        precision: number format of forward pass and loss.
        scaler: of the loss; disabled unless float16.
        clip_norm: largest norm of the gradient; 0 does not clip.
        average: of the weights, or None.
        wrap_model: returns the network, wrapped as its parameters now need it; for ``rewrap``.
    """

    def __init__(
        self,
        task: Task,
        model: nn.Module,
        optimizer: Optimizer,
        *,
        device: torch.device,
        precision: Precision,
        scaler: torch.amp.GradScaler,
        clip_norm: float = 0.0,
        average: WeightAverage | None = None,
        wrap_model: Callable[[], nn.Module] | None = None,
    ) -> None:
        self.task = task
        self.model = model
        self.optimizer = optimizer
        self.device = device
        self.precision = precision
        self.scaler = scaler
        self.clip_norm = clip_norm
        self.average = average
        self.wrap_model = wrap_model
        self.clock = StepClock()  # that takes the time of sending

    def rewrap(self) -> None:
        """Take note that other parameters have gradients now."""
        if self.wrap_model is not None:
            self.model = nn.Identity()
            gc.collect()  # DistributedDataParallel holds on to gradients until it is gone
            self.model = self.wrap_model()

    def __call__(self, batches: Sequence[Batch], step: int) -> Losses:
        """Accumulate the gradients of ``batches`` and apply their mean.

        Args:
            batches: on the host, at least one.
            step: number of this step, from 1.

        Returns:
            Means over the batches, on the device, detached: ``loss`` (the sum that was minimised),
            the named losses, figures (names with ``_``), and ``_grad_norm`` when clipping; of the
            task's ``SAMPLES`` all, batch after batch.
        """
        self.optimizer.zero_grad(set_to_none=True)
        parts = []
        for number, batch in enumerate(batches, start=1):
            with self._gradient_sync(last=number == len(batches)):
                with self.clock.phase(SENDING):
                    sent = to_device(batch, self.device)
                parts.append(self._backward(sent, 1.0 / len(batches)))
        losses = {name: _over_batches(name, [part[name] for part in parts]) for name in parts[0]}
        if self.clip_norm:
            self.scaler.unscale_(self.optimizer)
            weights = [p for group in self.optimizer.param_groups for p in group["params"]]
            losses["_grad_norm"] = nn.utils.clip_grad_norm_(weights, self.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update(step)
        return losses

    def _backward(self, batch: Batch, share: float) -> Losses:
        with self.precision.autocast():
            named = self.task.loss_step(self.model, batch)
            total = torch.stack([v for k, v in named.items() if not k.startswith("_")]).sum()
        self.scaler.scale(total * share).backward()
        return {"loss": total.detach()} | {name: value.detach() for name, value in named.items()}

    def _gradient_sync(self, *, last: bool) -> AbstractContextManager[Any]:
        """Ranks exchange gradients once per step, with the last batch."""
        if isinstance(self.model, DistributedDataParallel) and not last:
            return self.model.no_sync()
        return contextlib.nullcontext()


def _over_batches(name: str, values: list[Tensor]) -> Tensor:
    return torch.cat(values) if name == SAMPLES else torch.stack(values).mean()


def build_scaler(cfg: CfgNode, precision: Precision) -> torch.amp.GradScaler:
    """Read ``FP16.DYNAMIC_LOSS_SCALE`` and ``FP16.STATIC_LOSS_SCALE``; float16 only."""
    enabled = precision.needs_scaler
    if cfg.FP16.DYNAMIC_LOSS_SCALE or not enabled:
        return torch.amp.GradScaler(precision.device_type, enabled=enabled)
    return torch.amp.GradScaler(
        precision.device_type, init_scale=cfg.FP16.STATIC_LOSS_SCALE, growth_interval=2**31 - 1
    )
