"""Batches of the training set, from any position on, whatever happens to the loader processes."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from lib.datasets.base import Key, TrainData
from lib.engine.digest import sample_digests
from lib.engine.memory import peak_of_process
from lib.engine.sampling import EpochSampler
from lib.tasks.base import Batch, Task
from lib.utils.errors import DataError, UserError
from lib.utils.workers import worker_died, worker_options

logger = logging.getLogger(__name__)

_MAX_DEATHS = 3  # in a row, without a batch between them


@dataclass
class Fetched:
    """One batch and where it came from."""

    samples: list[int]  # indices in the training set
    batch: Batch
    digests: np.ndarray | None = None  # of the samples, if a flight recorder wants them
    worker: int | None = None  # number of the loader process that made it
    memory: float | None = None  # its peak so far, in GiB


@dataclass
class _Failure:
    """A user's mistake met in a loader process, carried to the training process as a value.

    Raised there, it would arrive as a traceback of the other process.
    """

    error: UserError


class _Keyed(Dataset[Any]):
    """Returns the samples of a batch with their keys."""

    def __init__(self, data: TrainData) -> None:
        self.data = data

    def __getitem__(self, key: Key) -> Any:
        return self.__getitems__([key])

    def __getitems__(self, keys: list[Key]) -> tuple[list[Key], Any] | _Failure:
        try:
            return keys, self.data.batch(keys)
        except UserError as error:
            return _Failure(error)


@dataclass
class _Collate:
    """Makes a batch of samples, in the loader process."""

    join: Callable[[Any], Batch]
    digest: bool

    def __call__(self, items: tuple[list[Key], Any] | _Failure) -> Fetched | _Failure:
        if isinstance(items, _Failure):
            return items
        keys, samples = items
        indices, batch = [index for _, index in keys], self.join(samples)
        digests = sample_digests(indices, batch) if self.digest else None
        worker = get_worker_info()
        if worker is None:
            return Fetched(indices, batch, digests)
        return Fetched(indices, batch, digests, worker.id, peak_of_process())


class TrainStream:
    """Training batches in the sampler's order.

    A loader process that dies (killed for memory, or by a signal meant for the whole job) is
    replaced: loading starts again at the batch that was due, which is the same as it would have
    been, because samples depend on their keys only.

    Args:
        task: joins samples to batches.
        data: the training set.
        sampler: order and position.
        workers: loader processes; 0 loads in this one.
        pin: copy batches into page-locked memory, for GPUs.
        digest: take digests of the samples.
    """

    def __init__(
        self,
        task: Task,
        data: TrainData,
        sampler: EpochSampler,
        *,
        workers: int,
        pin: bool,
        digest: bool = False,
    ) -> None:
        self.sampler = sampler
        self.workers = workers
        self.memory: dict[int, float] = {}  # peaks of loader processes in GiB, by number
        self._data = data
        self._options: dict[str, Any] = {
            "dataset": _Keyed(data),
            "batch_sampler": sampler,
            "collate_fn": _Collate(task.collate, digest),
            "pin_memory": pin,
            "persistent_workers": workers > 0,
            # Its own generator: otherwise each pass would draw from the model's random numbers.
            "generator": torch.Generator().manual_seed(sampler.seed % 2**63),
            **worker_options(workers),
        }
        self._loader: DataLoader[Any] | None = None

    def __len__(self) -> int:
        """Return the batches of a pass."""
        return len(self.sampler)

    def name(self, index: int) -> str:
        """Return what messages call sample ``index``."""
        return self._data.name(index)

    def load(self, keys: list[Key]) -> Batch:
        """Return a batch of given samples, made in this process."""
        return self._options["collate_fn"].join(self._data.batch(keys))

    def batches(self, epoch: int, start: int = 0) -> Iterator[Fetched]:
        """Yield the batches of pass ``epoch`` from number ``start`` on.

        Raises:
            DataError: a sample cannot be read, or loader processes keep dying.
        """
        deaths = 0
        while start < len(self):
            try:
                for item in self._open(epoch, start):
                    if isinstance(item, _Failure):
                        raise item.error
                    if item.worker is not None and item.memory is not None:
                        self.memory[item.worker] = item.memory
                    yield item
                    start += 1
                    deaths = 0
                return
            except (RuntimeError, OSError, EOFError) as error:
                deaths += 1
                self._close_after(error, deaths)

    def _open(self, epoch: int, start: int) -> Iterator[Fetched | _Failure]:
        self.sampler.seek(epoch, start)
        if self._loader is None:
            self._loader = DataLoader(**self._options)
        iterator = iter(self._loader)
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and hasattr(signal, "SIGCHLD"):  # Windows has none
            # torch's handler would raise a worker's death wherever this process happens to be, also
            # half-way through an optimiser step; waiting for a batch notices it as well.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return iterator

    def _close_after(self, error: Exception, deaths: int) -> None:
        if not self.workers or not worker_died(error):
            raise error
        self._loader = None
        reason = " ".join(str(error).split())
        if deaths >= _MAX_DEATHS:
            raise DataError(
                f"Loader processes died {deaths} times in a row ({reason}); often memory is short: "
                "lower WORKERS or TRAIN.BATCH_SIZE_PER_GPU, or load in this process with WORKERS 0."
            ) from None
        logger.warning("A loader process died (%s); starting new ones at the same batch.", reason)
