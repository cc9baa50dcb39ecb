"""What a device must be able to do: train in bfloat16, NCCL, SyncBN, compile, test while it waits.

Each function returns figures and raises if something is wrong; ``checks`` runs them.
"""

from __future__ import annotations

import contextlib
import copy
import math
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from yacs.config import CfgNode

from lib.annotations.tables import PersonTable
from lib.benchmark.latency import latency
from lib.benchmark.memory import peak_memory
from lib.benchmark.timing import in_turns, quartiles
from lib.engine.device import build_precision, place, to_device
from lib.engine.distributed import session
from lib.engine.inference import evaluating, predict
from lib.engine.optim import build_optimizer
from lib.engine.recomputing import recompute_stages
from lib.engine.step import TrainStep, build_scaler
from lib.models import build_model, fold_batch_norm
from lib.structures.results import Poses
from lib.tasks import build_task
from lib.tasks.base import Batch, Task
from lib.tasks.topdown import TopDownTask

EPOCH = 1
SEED = 0
SAME_LOSS = 1e-2  # relative; batch statistics are summed in another order

Figures = dict[str, Any]


def train_steps(cfg: CfgNode, device: torch.device, *, batch: int, steps: int) -> Figures:
    """Train ``steps`` steps on one batch in memory, in the precision of ``cfg``.

    Returns:
        ``loss`` of the last step; ``per_second``, samples by the median step, without loading;
        ``megabytes`` that a step adds at its peak (None where the system does not say).

    Raises:
        FloatingPointError: a loss is not finite.
        AssertionError: the weights did not change.
    """
    task = build_task(cfg)
    samples = _train_batch(task, batch)
    network = _network(task).train()
    recompute_stages(cfg, network)
    step = _train_step(cfg, task, place(network, device), device)
    before = [weight.detach().clone() for weight in network.parameters()]
    losses = [_loss(step, samples)]  # chooses algorithms, fills caches
    seconds = in_turns({"": lambda: losses.append(_loss(step, samples))}, steps, device)[""]
    changed = any(not torch.equal(*pair) for pair in zip(before, network.parameters(), strict=True))
    assert changed, "a step leaves the weights as they are"
    del before
    return {
        "loss": losses[-1],
        "per_second": batch / quartiles(seconds)[0],
        "megabytes": peak_memory(lambda: _loss(step, samples), device),
        "batch": batch,
        "precision": str(step.precision.dtype or torch.float32).removeprefix("torch."),
    }


def _network(task: Task) -> nn.Module:
    """Return the same network every time."""
    torch.manual_seed(SEED)
    return task.build_model()


def _train_batch(task: Task, size: int) -> Batch:
    data = task.build_train_dataset()
    rows = np.resize(np.arange(len(data)), size).tolist()
    return task.collate(data.batch([(EPOCH, row) for row in rows]))


def _train_step(cfg: CfgNode, task: Task, model: nn.Module, device: torch.device) -> TrainStep:
    precision = build_precision(cfg, device)
    return TrainStep(
        task,
        model,
        build_optimizer(cfg, model),
        device=device,
        precision=precision,
        scaler=build_scaler(cfg, precision),
    )


def _loss(step: TrainStep, batch: Batch) -> float:
    loss = float(step([batch], 1)["loss"])
    if not math.isfinite(loss):
        raise FloatingPointError(f"the loss is {loss}")
    return loss


def one_rank(cfg: CfgNode, device: torch.device, *, batch: int) -> Figures:
    """Join a process group of one: a sum, a step of DistributedDataParallel, SyncBN's loss.

    SyncBN runs on GPUs only; elsewhere its layers are converted and counted.

    Returns:
        ``backend``, ``loss`` of the first step, ``sync_bn_layers``, and on a GPU ``sync_bn_loss``.

    Raises:
        AssertionError: the sum is wrong, or SyncBN's loss is another than batch-norm's.
    """
    from timm.layers.norm_act import convert_sync_batchnorm

    task = build_task(cfg)
    samples = _train_batch(task, batch)
    synced = convert_sync_batchnorm(_network(task))
    count = sum(isinstance(module, nn.SyncBatchNorm) for module in synced.modules())
    with _group_of_one(), session():
        figures: Figures = {"backend": dist.get_backend(), "sync_bn_layers": count}
        values = torch.arange(3.0, device=device)
        dist.all_reduce(values)
        assert values.tolist() == [0, 1, 2], f"a sum over one rank gives {values.tolist()}"
        figures["loss"] = _distributed_loss(cfg, task, _network(task), device, samples)
        if device.type == "cuda":
            loss = _distributed_loss(cfg, task, synced, device, samples)
            figures["sync_bn_loss"] = loss
            off = abs(loss - figures["loss"])
            assert off <= SAME_LOSS * abs(loss), f"losses {loss} and {figures['loss']}"
    return figures


def _distributed_loss(
    cfg: CfgNode, task: Task, network: nn.Module, device: torch.device, batch: Batch
) -> float:
    ids = [device.index or 0] if device.type == "cuda" else None
    model = nn.parallel.DistributedDataParallel(place(network.train(), device), device_ids=ids)
    return _loss(_train_step(cfg, task, model, device), batch)


@contextlib.contextmanager
def _group_of_one() -> Iterator[None]:
    """Let the environment be that of a launcher with one process."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    before = dict(os.environ)
    os.environ.update(alone | meeting)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def compiled(cfg: CfgNode, device: torch.device, *, batch: int, rounds: int) -> Figures:
    """Compile a top-down network; its heatmaps must be those of the plain one.

    Both in float32 without TF32, whose roundings would hide a difference.

    Returns:
        ``plain_ms``, ``compiled_ms`` per person, ``speedup``.
    """
    torch.manual_seed(SEED)
    width, height = cfg.MODEL.IMAGE_SIZE
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        plain, other = latency(
            build_model(cfg),
            (height, width),
            forms=["channels_last", "compiled"],
            batches=[batch],
            threads=[torch.get_num_threads()],
            rounds=rounds,
            device=device,
        )
    times = {"plain_ms": plain["milliseconds"], "compiled_ms": other["milliseconds"]}
    return {**times, "speedup": other["speedup"], "batch": batch}


def asynchronous(cfg: CfgNode, device: torch.device, *, boxes: int) -> Figures:
    """Test with results fetched while the next batch is computed, and waiting for each.

    Returns:
        ``people``; ``ahead_s`` and ``waiting_s``, seconds of either.

    Raises:
        AssertionError: the people differ.
    """
    task, network = _top_down(cfg, device, boxes=boxes, images=max(1, boxes // 10))
    precision = build_precision(cfg, device)
    predict(task, network, device, precision)  # chooses algorithms
    begin = time.perf_counter()
    ahead = predict(task, network, device, precision)
    middle = time.perf_counter()
    parts = []
    with evaluating(network), torch.no_grad():
        for batch in task.build_test_loader():
            with precision.autocast():
                parts.append(task.predict_step(network, to_device(batch, device))())
    waiting = Poses.concatenate(parts, task.num_joints)
    end = time.perf_counter()
    off = np.abs(ahead.keypoints - waiting.keypoints).max()
    assert np.array_equal(ahead.indices, waiting.indices), "the people come in another order"
    assert off <= 1e-3, f"joints differ by {off:.3g} pixels"
    return {"people": len(ahead), "ahead_s": middle - begin, "waiting_s": end - middle}


def whole_test(cfg: CfgNode, device: torch.device, *, boxes: int, images: int) -> Figures:
    """Test ``boxes`` boxes on ``images`` pictures, from files to joints.

    The pictures are the test set's, each listed as often as needed and decoded every time.

    Returns:
        ``people``, ``images``, ``seconds``, ``per_second`` (people).
    """
    task, network = _top_down(cfg, device, boxes=boxes, images=images)
    begin = time.perf_counter()
    found = predict(task, network, device, build_precision(cfg, device))
    seconds = time.perf_counter() - begin
    assert len(found) == boxes, f"{len(found)} people of {boxes} boxes"
    return {
        "people": boxes,
        "images": images,
        "test_seconds": seconds,
        "per_second": boxes / seconds,
        "workers": cfg.WORKERS,
    }


def _top_down(
    cfg: CfgNode, device: torch.device, *, boxes: int, images: int
) -> tuple[TopDownTask, nn.Module]:
    """Return a task with made-up boxes, and its network as tests run it."""
    task = build_task(cfg)
    assert isinstance(task, TopDownTask), f"{cfg.MODEL.NAME} does not see one person at a time"
    task.people = spread(task.people, boxes=boxes, images=images)
    network = copy.deepcopy(_network(task)).eval()
    fold_batch_norm(network)
    return task, place(network, device)


def spread(people: PersonTable, *, boxes: int, images: int) -> PersonTable:
    """Return ``boxes`` rows spread evenly over ``images`` pictures, from a smaller table.

    Args:
        people: at least one row; pictures without people are left out.
        boxes: N, at least ``images``.
        images: I; the pictures are listed in turn until there are so many, with ids from 0.
    """
    order = np.argsort(people.image_index, kind="stable")
    known, starts, counts = np.unique(
        people.image_index[order], return_index=True, return_counts=True
    )
    listed = np.arange(images) % len(known)
    where = np.arange(boxes) * images // boxes
    rank = np.arange(boxes) - np.searchsorted(where, where)
    source = listed[where]
    table = people.select(order[starts[source] + rank % counts[source]])
    files = replace(
        people.images,
        files=people.images.files[known[listed]],
        sizes=people.images.sizes[known[listed]],
        ids=np.arange(images),
        own=None,
    )
    return replace(table, images=files, image_index=where.astype(np.int32))
