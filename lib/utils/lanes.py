"""Jobs done side by side in threads; what they find comes in the order of the jobs.

Two threads that each compute one image on one core need not wait for each other; two cores that
share one image wait at the end of each layer, the longer the more a core has been taken by another
program: a loader process, for instance.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from threading import Semaphore
from typing import Generic, TypeVar

import torch

Found = TypeVar("Found")
Item = TypeVar("Item")
MOST_LANES = 8  # jobs under way, however many cores there are: the memory of each adds up


class Lanes(Generic[Found]):
    """Threads that share out the cores of torch among them.

    Jobs run without gradients, under the autocast and on the CUDA stream of who sends them. From
    the first job that is sent until the last answer is fetched, torch computes each operation on a
    lane's part of the cores.

    Args:
        most: lanes at most. With one, or with one core, whoever sends a job does it.
    """

    def __init__(self, most: int) -> None:
        self._most = min(most, MOST_LANES)
        self._cores = 0  # of torch before the first job was sent
        self._waiting: list[Future[Found]] = []  # for whoever fetches them
        # By lanes and cores of each: the threads, and room for jobs that have not ended.
        self._pools: dict[tuple[int, int], tuple[ThreadPoolExecutor, Semaphore]] = {}

    def send(
        self, jobs: Iterable[Callable[[], Found]], device: torch.device, most: int = MOST_LANES
    ) -> Callable[[], list[Found]]:
        """Start jobs; return what waits for all of them, to be called once.

        At most one job more than there are lanes is taken from ``jobs`` before it can begin, so an
        iterator may prepare each as it is asked for, and who gives up leaves little behind.

        Args:
            jobs: functions without arguments.
            device: where they compute. Apple's GPU is asked by one thread only.
            most: lanes to use now; 1 for what has threads of its own, or for a single job. While
                other jobs are under way it must be what it was for them.

        Raises:
            Exception: what a job raises; from the function that is returned where a lane did it.
        """
        cores = self._cores if self._waiting else torch.get_num_threads()
        count = 1 if device.type == "mps" else min(self._most, most, cores)
        if count < 2:
            found = [job() for job in jobs]
            return lambda: found
        self._cores = cores
        return functools.partial(self._fetch, self._start(jobs, count, _surroundings(device)))

    def _start(
        self, jobs: Iterable[Callable[[], Found]], count: int, around: _Surroundings
    ) -> list[Future[Found]]:
        """Hand jobs to ``count`` lanes; the order of what they return is that of the jobs."""
        own = self._cores // count
        if not self._waiting:
            torch.set_num_threads(own)  # here, and in all threads that begin afterwards
        if (count, own) not in self._pools:
            self._pools[count, own] = ThreadPoolExecutor(count, "lane"), Semaphore(count + 1)
        (pool, room), sent, left = self._pools[count, own], list[Future[Found]](), iter(jobs)
        while True:
            room.acquire()  # before the next job is made
            job = next(left, None)
            if job is None:
                room.release()
                return sent
            sent.append(pool.submit(_run, job, around))
            sent[-1].add_done_callback(lambda _: room.release())
            self._waiting.append(sent[-1])

    def _fetch(self, sent: list[Future[Found]]) -> list[Found]:
        try:
            return [future.result() for future in sent]
        finally:
            self._waiting = [future for future in self._waiting if future not in sent]
            if not self._waiting:
                torch.set_num_threads(self._cores)


def parts_of(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of up to ``size`` neighbours; the items of the next are not asked for yet."""
    left = iter(items)
    while part := list(islice(left, size)):
        yield part


_Surroundings = Callable[[], AbstractContextManager[None]]


def _run(job: Callable[[], Found], around: _Surroundings) -> Found:
    with around():
        return job()


def _surroundings(device: torch.device) -> _Surroundings:
    """Return what gives a thread the autocast and the stream of this one, and no gradients."""
    kind = device.type
    enabled, dtype = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)
    stream = torch.cuda.current_stream(device) if kind == "cuda" else None

    @contextmanager
    def around() -> Iterator[None]:
        with (
            torch.no_grad(),
            torch.autocast(kind, dtype, enabled=enabled),
            torch.cuda.stream(stream),
        ):
            yield

    return around
