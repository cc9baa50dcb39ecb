"""Loader processes: how many, and what each sets up before its first sample."""

from __future__ import annotations

import functools
import logging
import os
import re
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import cv2
import torch

from lib.utils.errors import DataError, UserError
from lib.utils.plugins import import_again, imported_parts

T = TypeVar("T")

logger = logging.getLogger(__name__)

_DIED = re.compile(r"DataLoader worker \(pid")
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def available_cpus() -> int:
    """Return the cores this process may use: its affinity, or a container's quota if smaller."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = cores or 1
    try:
        quota, period = _CPU_QUOTA.read_text(encoding="utf-8").split()
        return max(1, min(cores, -(-int(quota) // int(period))))
    except (OSError, ValueError):  # no control group, or its quota is "max"
        return cores


def core_share() -> int:
    """Return the cores for this process, one of those that torchrun started on this machine."""
    return max(1, available_cpus() // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


def limit_workers(requested: int) -> int:
    """Return ``requested`` loader processes, or this process's share of the cores if smaller.

    Args:
        requested: ``WORKERS``; 0 loads in the training process itself. The processes that torchrun
            started on this machine share its cores.
    """
    share = core_share()
    if requested > share:
        _warn_of_limit(requested, share)
    return min(requested, share)


@functools.cache  # once, not with every evaluation
def _warn_of_limit(requested: int, share: int) -> None:
    logger.warning(
        "WORKERS %d is more than the %d cores of this process; using %d.", requested, share, share
    )


def worker_options(count: int) -> dict[str, Any]:
    """Return what ``DataLoader`` must know about its ``count`` processes.

    On Linux they are forked, and so share the annotations with the training process. Python 3.14
    would start them afresh instead (seconds), and send each its own copy.
    """
    return {
        "num_workers": count,
        "worker_init_fn": functools.partial(init_worker, parts=imported_parts()),
        "multiprocessing_context": "fork" if count and sys.platform == "linux" else None,
    }


def init_worker(worker_id: int, parts: tuple[str, ...] = ()) -> None:
    """Prepare a loader process, see ``worker_options``.

    One thread each: parallelism comes from the number of workers, and OpenCV's own pool in each of
    them would fight for the same cores. Ctrl-C reaches the whole process group, but only the
    training process may act on it, because it still needs the batches of the step it finishes.

    Args:
        worker_id: its number.
        parts: a user's own modules in the process that started it.
    """
    del worker_id
    import_again(parts)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def worker_died(error: BaseException) -> bool:
    """Return whether waiting for a batch failed because a loader process is gone.

    Either torch says so, or the process went while its last batch was being handed over; what a
    loader process itself raised starts with "Caught".
    """
    text = str(error)
    if isinstance(error, RuntimeError):
        return bool(_DIED.match(text))
    if isinstance(error, FileNotFoundError):  # its socket: no file of ours lacks a name
        return error.filename is None and not text.startswith("Caught")
    return isinstance(error, (ConnectionError, EOFError)) and not text.startswith("Caught")


def readable(batches: Iterable[T]) -> Iterator[T]:
    """Yield ``batches`` of a loader; what its processes met becomes a sentence, not a traceback.

    Raises:
        UserError: as raised in a loader process.
        DataError: a loader process died.
    """
    try:
        yield from batches
    except UserError as error:
        lines = str(error).strip().splitlines()
        if len(lines) < 2:
            raise
        raise type(error)(lines[-1].partition(": ")[2]) from None
    except (RuntimeError, OSError, EOFError) as error:
        if not worker_died(error):
            raise
        raise DataError(
            f"A loader process died ({' '.join(str(error).split())}); often memory is short: lower "
            "WORKERS or the batch size."
        ) from None
