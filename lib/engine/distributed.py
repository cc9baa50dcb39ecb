"""Processes that train together, started by ``torchrun`` or ``srun``; alone, calls are no-ops.

The launcher's environment (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, ...) decides; for a task of
Slurm's it is made from Slurm's own. Collectives of Python objects go through gloo on the CPU;
tensors through NCCL where they live on GPUs.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import PrefixStore, TCPStore  # pyright: ignore[reportPrivateImportUsage]

from lib.utils.slurm import adopt_slurm, restarts

logger = logging.getLogger(__name__)

T = TypeVar("T")

_CHUNK = 64 * 2**20  # bytes per broadcast of a checkpoint


@dataclass(frozen=True)
class World:
    """Place of this process among all of them.

    Attributes:
        rank: number of the process, over all machines.
        size: number of processes.
        local_rank: number of the process on this machine; also the number of its GPU.
        local_size: processes on this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0


def launched() -> bool:
    """Return whether a launcher started this process as one of a group (also a group of one)."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def current_world() -> World:
    """Return the place of this process; alone unless inside ``session``."""
    if not dist.is_initialized():
        return World()
    return World(
        rank=dist.get_rank(),
        size=dist.get_world_size(),
        local_rank=int(os.environ.get("LOCAL_RANK", 0)),
        local_size=int(os.environ.get("LOCAL_WORLD_SIZE", 1)),
    )


@contextlib.contextmanager
def session(backend: str = "", timeout_s: float = 1800.0) -> Iterator[World]:
    """Join the other processes for the duration of the block, if a launcher started this one.

    Args:
        backend: '' chooses NCCL on GPUs and gloo on the CPU.
        timeout_s: a collective that waits longer than this fails, so that a lost process ends the
            run (and the launcher can restart it) instead of freezing it.
    """
    adopt_slurm()
    if not launched():
        yield World()
        return
    if not backend:
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
    _warn_of_machines_that_return()
    timeout = datetime.timedelta(seconds=timeout_s)
    dist.init_process_group(backend, timeout=timeout, **_meeting_point(timeout))
    yield current_world()
    # Not after an error: the others may be waiting in a collective, and the launcher ends us all.
    dist.destroy_process_group()


def _meeting_point(timeout: datetime.timedelta) -> dict[str, Any]:
    """Return where the processes of this start find each other; nothing chooses torch's default.

    One torchrun serves the same store before and after a restart, and torch (2.15) reads there the
    addresses of processes that are gone. Several machines need not agree about the count.
    """
    if not _launcher_serves_store() or _machines() > 1:
        return {}
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = TCPStore(host, port, is_master=False, timeout=timeout)
    return {
        "store": PrefixStore(f"start-{_own_restart_count()}", store),
        "rank": int(os.environ["RANK"]),
        "world_size": int(os.environ["WORLD_SIZE"]),
    }


def _warn_of_machines_that_return() -> None:
    restarts = int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", 0))
    if _launcher_serves_store() and _machines() > 1 and restarts and os.environ["RANK"] == "0":
        logger.warning(
            "A machine that fails and comes back can join only if torchrun was started with "
            "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 on every machine."
        )


def _launcher_serves_store() -> bool:
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def _machines() -> int:
    return int(os.environ.get("GROUP_WORLD_SIZE", 1))


def _own_restart_count() -> int:
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))


def restart_count() -> int:
    """Return how often the launcher, or Slurm, has restarted the group, the most of all ranks."""
    return max(gather_objects_everywhere(max(_own_restart_count(), restarts())))


def gather_objects_everywhere(value: T) -> list[T]:
    """Return ``value`` of every rank, in order of rank, on every rank."""
    if not dist.is_initialized():
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def gather_objects(value: T) -> list[T] | None:
    """Return ``value`` of every rank, in order of rank, on rank 0; None elsewhere."""
    if not dist.is_initialized():
        return [value]
    values: list[Any] | None = [None] * dist.get_world_size() if dist.get_rank() == 0 else None
    dist.gather_object(value, values, dst=0)
    return values


def broadcast_object(value: T) -> T:
    """Return rank 0's ``value`` on every rank."""
    if not dist.is_initialized():
        return value
    holder: list[Any] = [value]
    dist.broadcast_object_list(holder, src=0)
    return holder[0]


def broadcast_bytes(data: bytes | None, device: torch.device) -> bytes | None:
    """Return rank 0's ``data`` on every rank; in chunks, so that a large file fits."""
    if not dist.is_initialized():
        return data
    size = broadcast_object(None if data is None else len(data))
    if size is None:
        return None
    received = io.BytesIO()
    for start in range(0, size, _CHUNK):
        length = min(_CHUNK, size - start)
        if data is not None:
            chunk = torch.frombuffer(bytearray(data[start : start + length]), dtype=torch.uint8)
        else:
            chunk = torch.empty(length, dtype=torch.uint8)
        chunk = chunk.to(device)
        dist.broadcast(chunk, src=0)
        received.write(chunk.cpu().numpy().tobytes())
    return received.getvalue()


def mean_over_ranks(values: Tensor) -> Tensor:
    """Return the mean of ``values`` over all ranks, on every rank."""
    if not dist.is_initialized():
        return values
    values = values.clone()
    dist.all_reduce(values)
    return values / dist.get_world_size()


def broadcast_buffers(module: torch.nn.Module) -> None:
    """Give every rank rank 0's buffers: each rank's batch statistics are its own."""
    if dist.is_initialized() and dist.get_world_size() > 1:
        for buffer in module.buffers():
            dist.broadcast(buffer, src=0)
