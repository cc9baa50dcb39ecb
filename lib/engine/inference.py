"""Predict a split and score it; several processes take disjoint shards and rank 0 gathers."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from lib.engine.device import Precision, to_device
from lib.engine.distributed import (
    broadcast_object,
    current_world,
    gather_objects,
    gather_objects_everywhere,
)
from lib.evaluation.direction import is_loss, lower_is_better
from lib.structures.results import Poses
from lib.tasks.base import Batch, Evaluator, Metrics, Task
from lib.utils.errors import BusyError, ConfigError, did_you_mean
from lib.utils.lock import moving_files
from lib.utils.workers import readable

logger = logging.getLogger(__name__)


@dataclass
class Evaluation:
    """Outcome of an evaluation, the same on every rank.

    Attributes:
        metrics: scores by name.
        score: what chooses the best checkpoint, higher is better: losses and errors have a minus;
            NaN if it could not be computed.
        seconds: time per stage: ``load`` (waiting for batches), ``predict``, ``gather``,
            ``evaluate``.
        people: number of poses found.
        files: what was written, on rank 0.
    """

    metrics: Metrics
    score: float
    seconds: dict[str, float]
    people: int
    files: list[Path] = field(default_factory=list)


class Interrupted(Exception):  # noqa: N818 - not an error, as StopIteration is none
    """The evaluation was given up because somebody wants to stop."""


class Stopwatch:
    """Sums up the time of named stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the duration of the block to ``stage``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def waits(self, stage: str, items: Iterable[Batch]) -> Iterator[Batch]:
        """Yield ``items``; the time until each arrives belongs to ``stage``."""
        iterator = iter(items)
        while True:
            with self(stage):
                item = next(iterator, None)
            if item is None:
                return
            yield item


def predict(
    task: Task,
    network: nn.Module,
    device: torch.device,
    precision: Precision,
    *,
    watch: Stopwatch | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Poses:
    """Return the people that this rank finds in its shard of the test split.

    Args:
        task: gives loader and predictions.
        network: on ``device``, not wrapped; put into evaluation mode, and back afterwards.
        device: where to compute.
        precision: number format.
        watch: takes the times.
        should_stop: asked before each batch; True ends early with what there is.
    """
    world = current_world()
    watch = watch or Stopwatch()
    loader = task.build_test_loader(world.rank, world.size)
    bar = tqdm(total=len(loader), desc="predict", disable=not world.is_main or None, leave=False)
    parts: list[Poses] = []
    sent: deque[Poses | Callable[[], Poses]] = deque()
    # no_grad, not inference_mode: tables that a module caches on the way must stay trainable-safe.
    with evaluating(network), _ended(sent), torch.no_grad(), bar:
        for batch in watch.waits("load", readable(loader)):
            if should_stop():
                break
            with watch("predict"), precision.autocast():
                sent.append(task.predict_step(network, to_device(batch, device)))
                if len(sent) > task.ahead:  # while the device computes the others
                    parts.append(_arrived(sent.popleft()))
            bar.update()
        with watch("predict"):
            while sent:
                parts.append(_arrived(sent.popleft()))
    return Poses.concatenate(parts, task.num_joints)


@contextmanager
def _ended(sent: deque[Poses | Callable[[], Poses]]) -> Iterator[None]:
    """Wait for all that is under way when the block fails: a network is asked nothing later."""
    try:
        yield
    except BaseException:
        for one in sent:
            with suppress(Exception):  # the first failure is the one to tell
                _arrived(one)
        raise


def _arrived(sent: Poses | Callable[[], Poses]) -> Poses:
    return sent() if callable(sent) else sent


def evaluate(
    task: Task,
    network: nn.Module,
    device: torch.device,
    precision: Precision,
    *,
    folder: Path | None = None,
    keep_going: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
    losses: Callable[[nn.Module], Metrics] | None = None,
) -> Evaluation:
    """Predict the test split on all ranks, score it on rank 0, tell all.

    Of a mix, every data set is tested on, one after the other: scores are named ``<set>/<metric>``.
    The number that ``task.best`` names chooses the best weights.

    Args:
        task: what to predict and how to score it.
        network: on ``device``, not wrapped, the same on every rank.
        device: where to compute.
        precision: number format.
        folder: rank 0 writes the predictions there; None writes nothing.
        keep_going: a disk that cannot take them is worth an error line only.
        should_stop: asked before each batch, see Raises.
        losses: measures those on the test split, which stand beside the scores; a ``task.best``
            among them is NaN without.

    Raises:
        Interrupted: some rank's ``should_stop`` said so; on every rank.
        ConfigError: no score has the name that ``task.best`` gives.
    """

    def people(part: Task, watch: Stopwatch) -> Poses:
        return predict(part, network, device, precision, watch=watch, should_stop=should_stop)

    parts = {
        name: _evaluate_split(part, people, folder, keep_going=keep_going, should_stop=should_stop)
        for name, part in task.test_sets.items()
    }
    return _together(parts, task.best, losses(network) if losses is not None else {})


def check_scores(task: Task) -> None:
    """Refuse a wrong ground truth, and a ``task.best`` that its evaluators will not give.

    Raises:
        UserError: so that it is not found after hours of training.
    """
    best, names = task.best, []
    for name, part in task.test_sets.items():
        evaluator, before = part.build_evaluator(), f"{name}/" if name else ""
        if not best or is_loss(best):
            continue
        try:
            names += [f"{before}{metric}" for metric in evaluator.compute()]  # of nobody
        except (ArithmeticError, LookupError, ValueError):  # it wants everybody
            names += [best] if best.startswith(before) else []
    _check_best(best, names)


def _check_best(best: str, names: Collection[str]) -> None:
    if best and names and best not in names:
        raise ConfigError(f"TEST.BEST: there is no score {best}.{did_you_mean(best, names)}")


def _together(parts: dict[str, Evaluation], best: str, losses: Metrics) -> Evaluation:
    """Join the outcomes of the test sets; stages take the time of all."""
    scores = {
        f"{name}/{metric}" if name else metric: value
        for name, part in parts.items()
        for metric, value in part.metrics.items()
    }
    metrics = {**scores, **losses}
    _check_best(best, losses if is_loss(best) else scores)
    sign = -1.0 if lower_is_better(best) else 1.0
    seconds: dict[str, float] = {}
    for part in parts.values():
        for stage, time_taken in part.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + time_taken
    return Evaluation(
        metrics=metrics,
        score=sign * metrics.get(best, math.nan) if best else next(iter(parts.values())).score,
        seconds=seconds,
        people=sum(part.people for part in parts.values()),
        files=[file for part in parts.values() for file in part.files],
    )


def _evaluate_split(
    task: Task,
    people: Callable[[Task, Stopwatch], Poses],
    folder: Path | None,
    *,
    keep_going: bool,
    should_stop: Callable[[], bool],
) -> Evaluation:
    """Predict by ``people`` and score one split; the rest as in `evaluate`."""
    watch = Stopwatch()
    evaluator = None
    if current_world().is_main:  # first: a wrong ground truth is found before all the work
        with watch("evaluate"):
            evaluator = task.build_evaluator()
    poses = people(task, watch)
    if any(gather_objects_everywhere(should_stop())):
        raise Interrupted
    with watch("gather"):
        everyone = gather_poses(poses, task.num_joints)
    result = None
    if everyone is not None and evaluator is not None:
        with watch("evaluate"):
            result = _score(evaluator, everyone)
            if folder is not None:
                result.files = _write(evaluator, folder, keep_going=keep_going)
        result.seconds.update(watch.seconds)
    result = broadcast_object(result)
    assert result is not None  # rank 0 always has one
    return result


def gather_poses(poses: Poses, num_joints: int) -> Poses | None:
    """Return the people of all ranks on rank 0, ordered by sample; None elsewhere.

    Raises:
        RuntimeError: two ranks predicted the same sample.
    """
    parts = gather_objects(poses)
    if parts is None:
        return None
    _check_disjoint([np.unique(part.indices) for part in parts])
    everyone = Poses.concatenate(parts, num_joints)
    return everyone.select(np.argsort(everyone.indices, kind="stable"))


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put ``network`` into evaluation mode for the block, then each module back."""
    before = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def _score(evaluator: Evaluator, poses: Poses) -> Evaluation:
    evaluator.update(poses)
    metrics = evaluator.compute()
    return Evaluation(
        metrics=metrics,
        score=float(metrics.get(evaluator.primary, math.nan)),
        seconds={},
        people=len(poses),
    )


def _write(evaluator: Evaluator, folder: Path, *, keep_going: bool) -> list[Path]:
    try:
        with moving_files(folder):  # a test of this run may be making room
            return evaluator.write(folder)
    except (OSError, BusyError) as error:
        if not keep_going:
            raise
        reason = error.strerror if isinstance(error, OSError) else error
        logger.error("Cannot write the predictions below %s: %s.", folder, reason)
        return []


def _check_disjoint(indices: list[np.ndarray]) -> None:
    merged = np.concatenate(indices)
    unique, counts = np.unique(merged, return_counts=True)
    if len(unique) < len(merged):
        raise RuntimeError(
            f"samples {unique[counts > 1][:10].tolist()} were predicted by more than one rank; the "
            "test loader's shards overlap"
        )
