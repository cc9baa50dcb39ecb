"""Build a run from its configuration, and run it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from yacs.config import CfgNode

from lib.config import save_config
from lib.config.effect import FOR_TRAINING, describe_idle, idle_keys
from lib.engine.checkpointing import (
    CheckpointStore,
    Payload,
    check_fingerprint,
    fingerprint,
    load_payload,
)
from lib.engine.device import setup_device
from lib.engine.distributed import (
    broadcast_bytes,
    current_world,
    gather_objects_everywhere,
    restart_count,
)
from lib.engine.filmstrip import build_filmstrip
from lib.engine.flight import FlightRecorder
from lib.engine.inference import check_scores
from lib.engine.ownership import own_folder
from lib.engine.parallel import check_layout
from lib.engine.parts import build_parts
from lib.engine.records import RunRecords, trim_metrics
from lib.engine.state import FORMAT, TrainState
from lib.engine.step import TrainStep
from lib.engine.summary import describe_run
from lib.engine.tracing import StepTracer
from lib.engine.trackers.build import build_trackers, check_trackers
from lib.engine.trainer import FitResult, Trainer
from lib.engine.validation import build_validation_loss
from lib.engine.watchers import Watchers
from lib.tasks.base import Task
from lib.utils.errors import ConfigError
from lib.utils.lock import FolderLock
from lib.utils.seed import seed_everything

logger = logging.getLogger(__name__)


def fit(
    cfg: CfgNode,
    task: Task,
    folder: Path,
    log_folder: Path | None = None,
    *,
    initialise: Callable[[nn.Module], object] | None = None,
) -> FitResult:
    """Train ``task`` as ``cfg`` says; call it inside ``distributed.session``.

    A run resumes from ``folder`` if ``TRAIN.RESUME`` says so (then there must be a checkpoint), if
    ``AUTO_RESUME`` does and there is one, or if the launcher restarted this process. A fresh run
    moves the files of an earlier one aside.

    Args:
        cfg: the complete tree.
        task: what to train.
        folder: run folder, see the table of tools in the README for what it gets.
        log_folder: TensorBoard files; None writes none.
        initialise: loads pretrained weights into the network (on the CPU); fresh runs only.

    Raises:
        BusyError: another process trains in the folder.
        ConfigError: the folder holds another run, or the configuration cannot run here.
        TrainingError: the loss is not finite, or the final checkpoint cannot be written.
        DataError: the data cannot be read.
    """
    with own_folder(folder) as lock:
        trainer = build_trainer(cfg, task, folder, log_folder, initialise=initialise, lock=lock)
        return trainer.run()


def build_trainer(
    cfg: CfgNode,
    task: Task,
    folder: Path,
    log_folder: Path | None = None,
    *,
    initialise: Callable[[nn.Module], object] | None = None,
    lock: FolderLock | None = None,
) -> Trainer:
    """Return the run of ``cfg``, at its start or where ``folder`` left it; see `fit`."""
    world = current_world()
    device, gpus = _prepared(cfg, task)
    keep, form = cfg.TRAIN.KEEP_LAST, cfg.TRAIN.FORMAT
    store = CheckpointStore(folder, keep, lock, weights_format=form)
    payload = _starting_point(cfg, store, device)
    state, step, stream = build_parts(cfg, task, device, gpus, payload, initialise)
    if payload is not None:
        _resume(state, step, payload, folder)
    summary = describe_run(
        state,
        world,
        gpus,
        samples=stream.sampler.size,
        batch=stream.sampler.batch_size,
        accumulate=cfg.TRAIN.ACCUMULATE,
        workers=stream.workers,
        precision=step.precision,
    )
    logger.info("%s\n%s", folder, summary)
    if world.is_main:
        _prepare_folder(cfg, store, fresh=payload is None)
    return Trainer(
        task,
        state,
        step,
        stream,
        store,
        fingerprint=fingerprint(cfg),
        accumulate=cfg.TRAIN.ACCUMULATE,
        log_every=cfg.PRINT_FREQ,
        seconds=3600 * cfg.TRAIN.STOP_AFTER or math.inf,
        validation=build_validation_loss(cfg, task, device, step.precision),
        watchers=_build_watchers(cfg, task, state, folder, log_folder),
    )


def _prepared(cfg: CfgNode, task: Task) -> tuple[torch.device, list[int]]:
    """Return the device and the GPUs, ready; what is wrong is found before anything is written."""
    world = current_world()
    if idle := describe_idle(idle_keys(cfg, task.describe()["task"], FOR_TRAINING)):
        logger.warning("%s", idle)
    device, gpus = setup_device(cfg)
    check_trackers(cfg)
    check_layout(cfg, gpus, data_parallel=task.splits_batches)
    seed_everything(cfg.SEED + world.rank)
    task.prepare(device)
    if world.is_main:
        check_scores(task)
    return device, gpus


def _build_watchers(
    cfg: CfgNode, task: Task, state: TrainState, folder: Path, log_folder: Path | None
) -> Watchers:
    """Return what looks on while the run goes; rank 0 alone does."""
    total, step = state.plan.total, state.step
    if not current_world().is_main:
        return Watchers(RunRecords(folder, [], [], total=total, step=step, active=False))
    live, followers = build_trackers(cfg, folder, log_folder, step)
    return Watchers(
        RunRecords(folder, live, followers, total=total, step=step, active=True),
        flight=FlightRecorder(folder, state, cfg.FLIGHT) if cfg.FLIGHT else None,
        tracer=StepTracer(folder, cfg.PROFILE, state.device) if cfg.PROFILE else None,
        strip=build_filmstrip(cfg, task, folder),
    )


def _resume(state: TrainState, step: TrainStep, payload: Payload, folder: Path) -> None:
    """Put a run where its checkpoint left it."""
    state.restore(payload)
    if state.freezing.until is not None and not state.freezing.holds(state.step):
        state.freezing.apply(state.network, state.step)
        step.rewrap()
    if current_world().is_main:
        trim_metrics(folder, state.step, evaluated=state.evaluated)
    logger.info("resumed after %d of %d steps", state.step, state.plan.total)


def _starting_point(cfg: CfgNode, store: CheckpointStore, device: torch.device) -> Payload | None:
    """Return the checkpoint to continue from, read by rank 0 for all; None starts afresh."""
    world = current_world()
    wanted = cfg.TRAIN.RESUME or cfg.AUTO_RESUME or restart_count() > 0
    data = store.read() if wanted and world.is_main else None
    data = broadcast_bytes(data, device)
    if data is not None:
        payload = load_payload(data)
        if payload.get("format") != FORMAT:
            raise ConfigError(
                f"The checkpoint in {store.folder} is not one of ours (format {FORMAT}), so it "
                "cannot be resumed; start from its weights with MODEL.PRETRAINED, elsewhere."
            )
        check_fingerprint(payload["fingerprint"], fingerprint(cfg), store.folder)
        return payload
    holders = gather_objects_everywhere(store.exists())
    if wanted and any(holders):
        raise ConfigError(
            f"Rank 0 sees no checkpoint in {store.folder}, rank {holders.index(True)} does: it "
            "moved to another machine. Put OUTPUT_DIR on a shared disk, or copy the folder over."
        )
    if cfg.TRAIN.RESUME:
        raise ConfigError(
            f"There is no checkpoint to resume in {store.folder}; run without --resume "
            "(TRAIN.RESUME), or set AUTO_RESUME true to resume only where there is one."
        )
    return None


def _prepare_folder(cfg: CfgNode, store: CheckpointStore, *, fresh: bool) -> None:
    """Leave the resolved configuration, and room for the files of a fresh run."""
    store.folder.mkdir(parents=True, exist_ok=True)
    earlier = store.set_aside() if fresh else None
    if earlier is not None:
        logger.warning("moved the files of the earlier run in this folder to %s", earlier)
    save_config(cfg, store.folder / "config.yaml")
