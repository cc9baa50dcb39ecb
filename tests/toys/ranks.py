"""Several training processes in one test: functions that run in each, and their launcher."""

import logging
import os
import pickle
import signal
import socket
import time
from multiprocessing import get_context
from pathlib import Path

import torch
from toys.toy_task import ToyTask, toy_config

from lib.config import load_config
from lib.engine import distributed, evaluate, fit
from lib.engine.distributed import current_world, session
from lib.engine.fit import build_trainer
from lib.tasks import build_task

# Forked from a server that has imported torch: a rank starts in 0.1 s instead of 5 s.
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(["toys.ranks"])
TESTS = Path(__file__).parent.parent


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


def launch(function, world, *args, timeout=240, environment=None):
    """Run ``function(*args)`` in ``world`` ranks; return what each returned, or its exception.

    ``environment`` comes on top of what torchrun sets.
    """
    # The server does not take over the import path, and would silently preload nothing.
    os.environ["PYTHONPATH"] = f"{TESTS}{os.pathsep}{TESTS.parent}"
    port = free_port()
    queue = _CONTEXT.SimpleQueue()
    processes = [
        _CONTEXT.Process(
            target=_rank, args=(queue, function, rank, world, port, args, environment or {})
        )
        for rank in range(world)
    ]
    for process in processes:
        process.start()
    results, deadline = {}, time.monotonic() + timeout
    while len(results) < world and time.monotonic() < deadline:
        if not queue.empty():
            rank, data = queue.get()
            results[rank] = pickle.loads(data)
        time.sleep(0.01)
    for process in processes:
        process.join(2)
        process.kill()
    return [results.get(rank, "no answer") for rank in range(world)]


def _rank(queue, function, rank, world, port, args, environment):
    os.environ.update(
        RANK=str(rank),
        WORLD_SIZE=str(world),
        LOCAL_RANK=str(rank),
        LOCAL_WORLD_SIZE=str(world),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        **environment,
    )
    torch.set_num_threads(1)
    try:
        with session("gloo", 30.0):
            result = function(*args)
    except Exception as error:
        result = error
    queue.put((rank, pickle.dumps(result)))


class _Stop:
    """Sends SIGTERM to this process when the ``count``-th sample of ``epoch`` is loaded."""

    def __init__(self, epoch, count):
        self.epoch, self.left = epoch, count

    def __call__(self, epoch):
        self.left -= epoch == self.epoch
        if epoch == self.epoch and self.left == 0:
            os.kill(os.getpid(), signal.SIGTERM)


class _Lines(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def train(folder, task, config, own_folder=False, stop_rank=None, stop_at=None):
    """Fit the toy task; return (finished, step, evaluation, warnings).

    Args:
        folder: run folder; with ``own_folder`` each rank has one of its own below it.
        task: keywords of ``ToyTask``.
        config: keywords of ``toy_config``.
        own_folder: as on machines without a shared disk.
        stop_rank: this rank sends itself SIGTERM once in ``stop_at[0]``.
        stop_at: (epoch, count) of samples that it has loaded by then.
    """
    rank = current_world().rank
    task = dict(task)
    if rank == stop_rank:
        task["broken"] = {"any": _Stop(*stop_at)}
    lines = _Lines()
    logging.getLogger().addHandler(lines)
    folder = Path(folder) / f"rank{rank}" if own_folder else Path(folder)
    result = fit(toy_config(**config), ToyTask(**task), folder)
    return result.finished, result.step, result.evaluation, lines.lines


def gradients_and_results(config, folder, *keys):
    """Return the gradients of the first batch, and let rank 0 write the predictions of a split.

    Batch norm runs as when testing: its statistics would be each rank's own.
    """
    cfg = load_config(config, keys)
    trainer = build_trainer(cfg, build_task(cfg), Path(folder))
    network, step = trainer.state.network, trainer.train_step
    evaluate(trainer.task, network, step.device, step.precision, folder=Path(folder))
    for module in network.modules():
        module.train(not isinstance(module, torch.nn.BatchNorm2d))
    step([next(iter(trainer.stream.batches(0))).batch], 1)
    return {name: weight.grad.numpy() for name, weight in network.named_parameters()}


def share_bytes():
    """Broadcast 30 bytes in chunks of 7."""
    distributed._CHUNK = 7
    data = b"0123456789" * 3 if current_world().is_main else None
    return distributed.broadcast_bytes(data, torch.device("cpu"))
