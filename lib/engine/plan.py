"""When things happen in a run, all counted in optimiser steps."""

from __future__ import annotations

from dataclasses import dataclass

from yacs.config import CfgNode

from lib.config.variants import first_epoch


@dataclass(frozen=True)
class Plan:
    """Length and periods of a run.

    A *pass* goes once over the training set; it is numbered from 0 and keys the samples. The
    *epoch* shown to people is ``first_epoch`` + pass: warm-up epochs are the negative ones.

    Attributes:
        steps_per_pass: optimiser steps in a pass.
        total: optimiser steps in the run.
        eval_every: steps between evaluations; one more follows the last step.
        save_every: steps between checkpoints; one more follows the last step.
        first_epoch: number of the first pass.
        by_epoch: whether the configuration counts in epochs.
    """

    steps_per_pass: int
    total: int
    eval_every: int
    save_every: int
    first_epoch: int
    by_epoch: bool

    def position(self, step: int) -> tuple[int, int]:
        """Return the pass in which the step after ``step`` finished ones lies, and its offset."""
        return divmod(step, self.steps_per_pass)

    def epoch(self, step: int) -> int:
        """Return the epoch to which the ``step``-th step (from 1) belongs."""
        return self.first_epoch + max(step - 1, 0) // self.steps_per_pass

    def is_last(self, step: int) -> bool:
        """Return whether the run is complete after ``step`` steps."""
        return step >= self.total

    def evaluates(self, step: int) -> bool:
        """Return whether an evaluation follows the ``step``-th step."""
        return self.is_last(step) or _due(step, self.eval_every)

    def saves(self, step: int) -> bool:
        """Return whether a checkpoint follows the ``step``-th step."""
        return self.is_last(step) or _due(step, self.save_every)


def build_plan(cfg: CfgNode, steps_per_pass: int) -> Plan:
    """Turn ``BEGIN_EPOCH``, ``END_EPOCH``, ``MAX_ITER`` and the ``*_PERIOD`` keys into steps."""
    train = cfg.TRAIN
    if train.MAX_ITER:
        return Plan(
            steps_per_pass=steps_per_pass,
            total=train.MAX_ITER,
            eval_every=train.EVAL_PERIOD,
            save_every=train.CHECKPOINT_ITERS or train.CHECKPOINT_PERIOD,
            first_epoch=0,
            by_epoch=False,
        )
    first = first_epoch(cfg)
    return Plan(
        steps_per_pass=steps_per_pass,
        total=(train.END_EPOCH - first) * steps_per_pass,
        eval_every=train.EVAL_PERIOD * steps_per_pass,
        save_every=train.CHECKPOINT_ITERS or train.CHECKPOINT_PERIOD * steps_per_pass,
        first_epoch=first,
        by_epoch=True,
    )


def _due(step: int, period: int) -> bool:
    return period > 0 and step > 0 and step % period == 0
