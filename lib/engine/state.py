"""Everything that changes during a run, as one value that a checkpoint holds."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from lib.engine.checkpointing import Payload, all_finite
from lib.engine.distributed import current_world, gather_objects_everywhere
from lib.engine.ema import WeightAverage
from lib.engine.freezing import Freezing
from lib.engine.plan import Plan
from lib.engine.schedules import Schedule
from lib.engine.worst import WorstSamples
from lib.utils.errors import ConfigError, TrainingError
from lib.utils.seed import restore_rng, rng_state, seed_everything

logger = logging.getLogger(__name__)

FORMAT = 1


@dataclass
class TrainState:
    """Weights, optimiser, schedule, scaler, average, position and best score of a run.

    Attributes:
        network: unwrapped.
        optimizer: over its parameters.
        schedule: of the learning rate.
        scaler: of the loss.
        average: of the weights, or None.
        plan: gives the position its meaning.
        device: of the network.
        seed: of the run.
        meta: plain values about the run, stored with every weights file.
        freezing: what is not trained.
        patience: evaluations without a better score after which the run is over; 0 never.
        judge: name of the score, ``TEST.BEST``.
        step: optimiser steps done.
        evaluated: whether the evaluation due after ``step`` has been done.
        best: best score so far; None before the first.
        stale: evaluations since then.
        worst: samples of the current pass with the highest losses.
    """

    network: nn.Module
    optimizer: Optimizer
    schedule: Schedule
    scaler: torch.amp.GradScaler
    average: WeightAverage | None
    plan: Plan
    device: torch.device
    seed: int
    meta: dict[str, Any] = field(default_factory=dict)
    freezing: Freezing = field(default_factory=Freezing)
    patience: int = 0
    judge: str = ""
    step: int = 0
    evaluated: bool = True
    best: float | None = None
    stale: int = 0
    worst: WorstSamples = field(default_factory=WorstSamples)

    @property
    def gave_up(self) -> bool:
        """Whether the score has not risen for so long that more training would be in vain."""
        return 0 < self.patience <= self.stale

    @property
    def over(self) -> bool:
        """Whether there is no step left to do."""
        return self.plan.is_last(self.step) or self.gave_up

    def score(self, value: float) -> bool:
        """Take the score of an evaluation, higher is better; return whether it is the best."""
        if not math.isfinite(value):
            return False
        better = self.best is None or value > self.best
        self.best, self.stale = (value, 0) if better else (self.best, self.stale + 1)
        return better

    @property
    def scored(self) -> nn.Module:
        """The network whose predictions count: the average where there is one."""
        return self.network if self.average is None else self.average.network

    def weights(self) -> Payload:
        """Return the content of a weights file."""
        return {"state_dict": self.scored.state_dict(), "meta": {**self.meta, "step": self.step}}

    def payload(self) -> Payload:
        """Return the content of a checkpoint; every rank must call, for its random state.

        Raises:
            TrainingError: a weight is not finite.
        """
        if not all_finite(self.network):
            raise TrainingError(
                f"After step {self.step} some weights are not finite, though the loss was: "
                "gradients overflowed. The last checkpoint is from before; lower TRAIN.LR or set "
                "TRAIN.CLIP_NORM, and resume."
            )
        return {
            "format": FORMAT,
            "state_dict": self.network.state_dict(),
            "meta": {**self.meta, "step": self.step},
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "ema": None if self.average is None else self.average.network.state_dict(),
            "step": self.step,
            "steps_per_pass": self.plan.steps_per_pass,
            "evaluated": self.evaluated,
            "best": self.best,
            "judge": self.judge,
            "stale": self.stale,
            "worst": self.worst.state(),
            "rng": gather_objects_everywhere(rng_state(self.device)),
        }

    def restore(self, payload: Payload) -> None:
        """Continue from a checkpoint; the weights must have been loaded into the network before.

        Base rates and decays stay those of the configuration: whoever resumes may change them.

        Raises:
            ConfigError: the configuration trains other parameters, or groups them differently.
        """
        self._restore_optimizer(payload["optimizer"])
        self.schedule.load_state_dict(payload["schedule"])
        if payload["scaler"] and self.scaler.is_enabled():
            self.scaler.load_state_dict(payload["scaler"])
        if self.average is not None and payload["ema"] is not None:
            self.average.network.load_state_dict(payload["ema"])
        self._restore_best(payload)
        self.worst.restore(payload.get("worst", []))
        if "scores" in payload["meta"]:  # of the last evaluation
            self.meta["scores"] = payload["meta"]["scores"]
        self.evaluated = payload["evaluated"]
        self.step = self._same_position(payload["step"], payload["steps_per_pass"])
        self._restore_rng(payload["rng"])

    def _restore_optimizer(self, saved: Payload) -> None:
        kept = ("initial_lr", "weight_decay")
        wanted = [{key: group[key] for key in kept} for group in self.optimizer.param_groups]
        try:
            self.optimizer.load_state_dict(saved)
        except ValueError as error:
            raise ConfigError(
                f"The checkpoint's optimiser does not fit ({error}): OPTIMIZER, FREEZE, LR_MULT, "
                "LAYER_DECAY, WD_NORM and WD_BIAS of TRAIN must group the parameters as before. "
                "Set them back, or start from the weights with MODEL.PRETRAINED in another folder."
            ) from None
        for group, own in zip(self.optimizer.param_groups, wanted, strict=True):
            group.update(own)

    def _restore_best(self, payload: Payload) -> None:
        """Take the best score so far, unless it was another number that chose."""
        before = payload.get("judge", self.judge)
        if before == self.judge:
            self.best, self.stale = payload["best"], payload.get("stale", 0)
            return
        self.schedule.forget()
        logger.warning(
            "TEST.BEST was '%s' and is '%s': the next evaluation gives the best weights so far.",
            before,
            self.judge,
        )

    def _same_position(self, step: int, steps_per_pass: int) -> int:
        """Convert a position of another number of steps per pass (other ranks, other batch)."""
        if steps_per_pass == self.plan.steps_per_pass or not self.plan.by_epoch:
            return step
        passes, offset = divmod(step, steps_per_pass)
        converted = passes * self.plan.steps_per_pass
        converted += offset * self.plan.steps_per_pass // steps_per_pass
        logger.warning(
            "The checkpoint has %d steps per epoch, this run %d: step %d becomes %d.",
            steps_per_pass,
            self.plan.steps_per_pass,
            step,
            converted,
        )
        return converted

    def _restore_rng(self, states: list[Any]) -> None:
        world = current_world()
        if len(states) == world.size:
            restore_rng(states[world.rank], self.device)
            return
        logger.warning(
            "The checkpoint is from %d processes, this run has %d: random numbers start anew.",
            len(states),
            world.size,
        )
        seed_everything(self.seed + world.rank + self.step)
