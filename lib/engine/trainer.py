"""``fit``: train a task by its configuration, surviving whatever stops a process.

The loop counts optimiser steps; ``plan`` says after which of them to evaluate and to save. A run
that was stopped anywhere and resumed passes through the same states as one that was not.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from lib.engine.advice import Adviser
from lib.engine.checkpointing import BEST, FINAL, CheckpointStore
from lib.engine.clock import Pace
from lib.engine.distributed import (
    broadcast_buffers,
    broadcast_object,
    current_world,
    gather_objects_everywhere,
    mean_over_ranks,
)
from lib.engine.guard import StepGuard
from lib.engine.inference import Evaluation, Interrupted, evaluate
from lib.engine.memory import peak_memory
from lib.engine.signals import StopRequest
from lib.engine.state import TrainState
from lib.engine.step import Losses, TrainStep
from lib.engine.stream import Fetched, TrainStream
from lib.engine.validation import ValidationLoss
from lib.engine.watchers import Watchers
from lib.engine.worst_record import WorstRecorder
from lib.tasks.base import Task
from lib.utils.errors import TrainingError
from lib.utils.losses import SAMPLES
from lib.utils.phases import EVALUATING, SAVING, WAITING
from lib.utils.seed import preserved_rng
from lib.utils.workers import core_share

logger = logging.getLogger(__name__)


@dataclass
class FitResult:
    """How a run ended.

    Attributes:
        finished: False if a signal stopped it; it can be resumed.
        step: optimiser steps done.
        best: best score, None if nothing was scored; losses and errors with a minus.
        evaluation: the last one of this process, None if there was none.
        signal: number of the signal that stopped it, the same on all ranks; 0 for none.
    """

    finished: bool
    step: int
    best: float | None
    evaluation: Evaluation | None = None
    signal: int = 0


class Trainer:
    """Takes a run from its state to its end; see ``build_trainer`` for the parts.

    Args:
        task: what is trained.
        state: of the run, perhaps restored.
        train_step: changes the weights by one step.
        stream: of training batches.
        store: of checkpoints.
        fingerprint: of the configuration, kept in checkpoints.
        accumulate: batches per step.
        log_every: steps between records.
        watchers: what looks on.
        seconds: after which to stop and save; resumed runs have as many again.
        validation: measures the loss on the test split, or None.
    """

    def __init__(
        self,
        task: Task,
        state: TrainState,
        train_step: TrainStep,
        stream: TrainStream,
        store: CheckpointStore,
        *,
        fingerprint: dict[str, str],
        accumulate: int,
        log_every: int,
        watchers: Watchers,
        seconds: float = math.inf,
        validation: ValidationLoss | None = None,
    ) -> None:
        self.task = task
        self.state = state
        self.train_step = train_step
        self.stream = stream
        self.store = store
        self.records = watchers.records
        self.fingerprint = fingerprint
        self.accumulate = accumulate
        self.log_every = log_every
        self.flight = watchers.flight
        self.tracer = watchers.tracer
        self.strip = watchers.strip
        self.validation = validation
        self.guard = StepGuard(state.device, stream.name)
        self.clock = train_step.clock
        self.stop = StopRequest(seconds)
        self.evaluation: Evaluation | None = None
        self._window: list[Losses] = []
        self._told_of_no_score = False
        self.adviser = Adviser(stream.workers, core_share(), state.device.type)
        self.worst = WorstRecorder(task, state, stream, self.records, store.folder)
        self._saved_step = state.step if state.step else -1

    def run(self) -> FitResult:
        """Train to the end or to the first wish to stop, and save."""
        with self.stop:
            try:
                self._finish_evaluation()
                self._train()
                self._close(finished=True)
            except Interrupted:
                self._close(finished=False)
            finally:
                self.records.close()
                if self.tracer is not None:
                    self.tracer.close()
        state = self.state
        finished = state.over and state.evaluated
        signal = max(gather_objects_everywhere(self.stop.number))
        return FitResult(finished, state.step, state.best, self.evaluation, signal)

    def _train(self) -> None:
        state = self.state
        state.freezing.train(state.network, state.step)
        self.clock.restart()
        while not state.over:
            for fetched in self._steps_of_pass():
                self._one_step(fetched)
                if self.tracer is not None:
                    self.tracer.after_step()
                if state.over:
                    break

    def _one_step(self, fetched: list[Fetched]) -> None:
        state = self.state
        if state.freezing.thaws(state.step):
            self._thaw()
        state.schedule.apply(state.optimizer, state.step)
        losses = self.train_step([item.batch for item in fetched], state.step + 1)
        stop = self.guard.settle()  # of the step before: this one is still running
        state.step += 1
        state.evaluated = not state.plan.evaluates(state.step)
        samples = [index for item in fetched for index in item.samples]
        self.worst.note(samples, losses.pop(SAMPLES, None))
        if self.flight is not None:
            self.flight.step(fetched, losses, state.plan.position(state.step - 1)[0])
        self.guard.post(state.step, losses, samples, stop=self.stop.requested)
        self._note(losses, len(samples))
        if state.plan.saves(state.step) or not state.evaluated:
            stop = self.guard.settle()
        if state.plan.saves(state.step):
            self._save()
        if stop:
            raise Interrupted
        self._finish_evaluation()

    def _thaw(self) -> None:
        """Train from here on what stood still."""
        state = self.state
        state.freezing.apply(state.network, state.step)
        state.freezing.train(state.network, state.step)
        self.train_step.rewrap()
        logger.info("step %d: everything is trained from here on", state.step)

    def _steps_of_pass(self) -> Iterator[list[Fetched]]:
        """Yield the batches of each step left in the current pass."""
        number, offset = self.state.plan.position(self.state.step)
        batches = self.stream.batches(number, offset * self.accumulate)
        # A step's batches are all here before it begins: nothing can fail half-way.
        while True:
            with self.clock.phase(WAITING):
                group = list(itertools.islice(batches, self.accumulate))
            if not group:
                return
            yield group

    def _finish_evaluation(self) -> None:
        """Evaluate if that is due, keep the weights if they are the best so far.

        Raises:
            Interrupted: somebody wants to stop; the evaluation stays due.
        """
        state = self.state
        if state.evaluated:
            return
        broadcast_buffers(state.scored)
        with self.clock.phase(EVALUATING), preserved_rng(state.device):
            result = evaluate(
                self.task,
                state.scored,
                state.device,
                self.train_step.precision,
                folder=self.store.folder,
                keep_going=True,
                should_stop=lambda: self.stop.requested,
                losses=None if self.validation is None else self.validation.measure,
            )
        self.evaluation = result
        state.schedule.observe(state.step, result.score)
        state.evaluated = True
        epoch = state.plan.epoch(state.step)
        self.records.val(state.step, epoch, result.metrics, result.seconds)
        if self.strip is not None:
            with self.clock.phase(EVALUATING), preserved_rng(state.device):
                files = self.strip.paint(state.scored, state.step)
            self.records.pictures(state.step, epoch, files)
        state.meta["scores"] = {"metrics": result.metrics, "boxes": state.meta.get("boxes")}
        if state.score(result.score):
            self._save_weights(BEST)
        if not math.isfinite(result.score) and not self._told_of_no_score:
            self._told_of_no_score = True
            logger.warning(
                "the evaluation gives no score: there will be no %s, only %s", BEST, FINAL
            )

    def _note(self, losses: Losses, samples: int) -> None:
        """Record the mean losses every ``log_every`` steps and at the end of a pass."""
        state = self.state
        self.records.advance()
        self.clock.add(samples * current_world().size)
        self._window.append(losses)
        ends_pass = state.step % state.plan.steps_per_pass == 0
        if state.step % self.log_every and not ends_pass and not state.plan.is_last(state.step):
            return
        names = list(losses)
        rows = torch.stack([torch.stack([part[name] for name in names]) for part in self._window])
        values = mean_over_ranks(rows.float().mean(dim=0)).tolist()
        self._window = []
        state.worst.settle()
        if self.flight is not None:
            self.flight.flush()
        pace = self.clock.read()
        self.records.train(
            state.step,
            state.plan.epoch(state.step),
            dict(zip(names, values, strict=True)),
            lr=max(group["lr"] for group in state.optimizer.param_groups),
            pace=pace,
            memory=peak_memory(state.device, self.stream.memory),
            advice=self._advise(pace),
        )
        if ends_pass or state.plan.is_last(state.step):
            with self.clock.phase(EVALUATING):
                self.worst.name()

    def _advise(self, pace: Pace) -> str:
        """Say what to turn if time is wasted, after the loaders have started; return that."""
        if self.state.step <= 2 * self.log_every:
            return ""
        return self.adviser.advise(pace.shares, self.clock.whole)

    def _save(self, *, must: bool = False) -> None:
        """Write a checkpoint; unless it ``must``, a failure is reported and training goes on."""
        step = self.state.step
        if self.flight is not None:
            self.flight.flush()  # before the checkpoint: a run that goes on there needs them
        payload = {**self.state.payload(), "fingerprint": self.fingerprint}
        if self._write(lambda: self.store.save(payload, step), must=must):
            self._saved_step = step
            self.records.settle(step, evaluated=self.state.evaluated)

    def _save_weights(self, name: str, *, must: bool = False) -> None:
        self._write(lambda: self.store.save_weights(self.state.weights(), name), must=must)

    def _write(self, write: Callable[[], None], *, must: bool) -> bool:
        """Let rank 0 write; return on all ranks whether that went well."""
        written = True
        if current_world().is_main:
            try:
                with self.clock.phase(SAVING):
                    write()
            except TrainingError as error:
                if must:
                    raise
                logger.error("%s Training goes on.", error)
                written = False
        return broadcast_object(written)

    def _close(self, *, finished: bool) -> None:
        state = self.state
        self.guard.settle()
        if finished:
            self.worst.name()  # of a pass that ended early
            self._save(must=True)
            self._save_weights(FINAL, must=True)
            if state.gave_up:
                logger.info("no better score in %d evaluations: the run ends early", state.stale)
            logger.info("finished after %d steps, best score %s", state.step, state.best)
            return
        if self._saved_step != state.step:
            self._save(must=True)
        if self.stop.late:
            logger.info("the %g hours of TRAIN.STOP_AFTER are over", self.stop.seconds / 3600)
        logger.info("stopped after %d steps; resume with --resume or AUTO_RESUME true", state.step)
