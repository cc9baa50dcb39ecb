"""Learning rate as a function of the optimiser step, times a warm-up.

All but ``plateau`` have no state, so a resumed run cannot shift a milestone. A milestone of ``m``
epochs means: epochs 0 to m-1 at the old rate, epoch m at the new one.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch.optim import Optimizer
from yacs.config import CfgNode

from lib.engine.plan import Plan


@dataclass(frozen=True)
class WarmUp:
    """Rise of the rate at the start of a run; the two forms multiply.

    Attributes:
        pass_count: passes before epoch 0, of which the k-th (from 1) runs at k / pass_count.
        steps_per_pass: optimiser steps in a pass.
        steps: steps over which the rate rises linearly from ``factor`` to 1.
        factor: start of that rise.
    """

    pass_count: int = 0
    steps_per_pass: int = 1
    steps: int = 0
    factor: float = 0.001

    @property
    def length(self) -> int:
        """Steps after which warm-up passes are over."""
        return self.pass_count * self.steps_per_pass

    def at(self, step: int) -> float:
        """Return the factor of the step that follows ``step`` finished ones."""
        value = 1.0
        if step < self.length:
            value = (step // self.steps_per_pass + 1) / self.pass_count
        if step < self.steps:
            value *= self.factor + (1.0 - self.factor) * step / self.steps
        return value


class Schedule:
    """Factor on every group's base learning rate.

    The methods are called by the engine before each step (``apply``) and after each evaluation
    (``observe``).
    """

    def __init__(self, warmup: WarmUp) -> None:
        self.warmup = warmup

    def shape(self, step: int) -> float:
        """Return the factor without warm-up of the step that follows ``step`` finished ones."""
        del step
        return 1.0

    def observe(self, step: int, metric: float) -> None:
        """Take the evaluation that followed ``step`` steps; higher is better."""

    def forget(self) -> None:
        """Compare what comes with nothing that was observed before."""

    def apply(self, optimizer: Optimizer, step: int) -> float:
        """Set the rates of the next step; return the highest."""
        factor = self.warmup.at(step) * self.shape(step)
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        return max(group["lr"] for group in optimizer.param_groups)

    def state_dict(self) -> dict[str, Any]:
        """Return what cannot be computed from the step."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take what ``state_dict`` returned."""


class MultiStep(Schedule):
    """The rate is multiplied by ``gamma`` at every milestone (finished steps)."""

    def __init__(self, warmup: WarmUp, milestones: Sequence[int], gamma: float) -> None:
        super().__init__(warmup)
        self.milestones = sorted(milestones)
        self.gamma = gamma

    def shape(self, step: int) -> float:
        """Return ``gamma`` to the number of milestones passed."""
        return self.gamma ** bisect.bisect_right(self.milestones, step)


class Cosine(Schedule):
    """Half a cosine from 1 to ``floor`` after ``total`` steps.

    It begins where the warm-up ends, or after ``flat`` steps if that is later.
    """

    def __init__(self, warmup: WarmUp, total: int, floor: float = 0.0, flat: int = 0) -> None:
        super().__init__(warmup)
        self.total = total
        self.floor = floor
        self.flat = flat

    def shape(self, step: int) -> float:
        """Return the cosine (Loshchilov and Hutter 2017, SGDR, Eq. 5, without restarts)."""
        start = max(self.warmup.length, self.warmup.steps, self.flat)
        done = min(max(step - start, 0) / max(self.total - start, 1), 1.0)
        return self.floor + (1.0 - self.floor) * (1.0 + math.cos(math.pi * done)) / 2.0


@dataclass
class _Progress:
    factor: float = 1.0
    best: float = -math.inf
    bad: int = 0


class Plateau(Schedule):
    """The rate falls when the metric has not grown for more than ``patience`` evaluations.

    The rule of ``torch.optim.lr_scheduler.ReduceLROnPlateau`` (mode max, relative threshold). As in
    the published EEffPose recipe, evaluations of warm-up epochs count, but epoch 0 starts at the
    full rate whatever they showed.
    """

    def __init__(
        self, warmup: WarmUp, gamma: float, patience: int, threshold: float = 1e-4
    ) -> None:
        super().__init__(warmup)
        self.gamma = gamma
        self.patience = patience
        self.threshold = threshold
        self._progress = _Progress()

    def shape(self, step: int) -> float:
        """Return ``gamma`` to the number of plateaus so far."""
        del step
        return self._progress.factor

    def observe(self, step: int, metric: float) -> None:
        """Count evaluations without progress, and lower the rate after too many."""
        now = self._progress
        rise = self.threshold if now.best >= 0 else -self.threshold  # losses have a minus
        if metric > now.best * (1.0 + rise):
            now.best, now.bad = metric, 0
        else:
            now.bad += 1
        if now.bad > self.patience:
            now.bad = 0
            if step > self.warmup.length:
                now.factor *= self.gamma

    def forget(self) -> None:
        """Keep the factor alone."""
        self._progress = _Progress(self._progress.factor)

    def state_dict(self) -> dict[str, Any]:
        """Return factor, best metric and the count of evaluations without progress."""
        return dict(vars(self._progress))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take what ``state_dict`` returned."""
        self._progress = _Progress(**state)


def build_scheduler(cfg: CfgNode, plan: Plan) -> Schedule:
    """Read ``TRAIN.SCHEDULER``, ``LR_STEP``, ``LR_FACTOR``, ``FLAT`` and the ``WARMUP_*`` keys."""
    train = cfg.TRAIN
    warmup = WarmUp(
        pass_count=train.WARMUP_EPOCHS if plan.by_epoch else 0,
        steps_per_pass=plan.steps_per_pass,
        steps=train.WARMUP_ITERS,
        factor=train.WARMUP_FACTOR,
    )
    if train.SCHEDULER == "cosine":
        floor = train.LR_MIN / train.LR if train.LR else 0.0
        return Cosine(warmup, plan.total, floor, round(train.FLAT * plan.total))
    if train.SCHEDULER == "plateau":
        return Plateau(warmup, train.LR_FACTOR, train.PATIENCE)
    unit = plan.steps_per_pass if plan.by_epoch else 1
    return MultiStep(
        warmup, [(step - plan.first_epoch) * unit for step in train.LR_STEP], train.LR_FACTOR
    )
