"""Jobs done side by side in threads; what they find comes in the order of the jobs.

Two threads that each compute one image on one core need not wait for each other; two cores that
share one image wait at the end of each layer, the longer the more a core has been taken by another
program: a loader process, for instance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from threading import Barrier, Lock, Semaphore
from typing import Generic, TypeVar

import torch

Found = TypeVar("Found")
Item = TypeVar("Item")
MOST_LANES = 8  # jobs under way, however many cores there are: the memory of each adds up
_opening = Lock()  # of lanes: meanwhile who first asks torch for its number of threads gets theirs


class Lanes(Generic[Found]):
    """Threads that share out the cores of torch among them; several threads may send jobs.

    Jobs run without gradients, under the autocast and inference mode and on the CUDA stream of who
    sends them. In a lane torch computes each operation on its part of the cores; elsewhere it keeps
    those that it had.

    Args:
        most: lanes at most. With one, or with one core, whoever sends a job does it.
    """

    def __init__(self, most: int) -> None:
        self._most = min(most, MOST_LANES)
        # By lanes and cores of each: the threads, and room for jobs that have not ended.
        self._pools: dict[tuple[int, int], tuple[ThreadPoolExecutor, Semaphore]] = {}

    def send(
        self, jobs: Iterable[Callable[[], Found]], device: torch.device, most: int = MOST_LANES
    ) -> Callable[[], list[Found]]:
        """Start jobs; return what waits for all of them.

        At most one job more than there are lanes is taken from ``jobs`` before it can begin, so an
        iterator may prepare each as it is asked for, and who gives up leaves little behind.

        Args:
            jobs: functions without arguments.
            device: where they compute. Apple's GPU is asked by one thread only.
            most: lanes to use now; 1 for what has threads of its own, or for a single job.

        Raises:
            Exception: what ``jobs`` raises while it prepares one, or what a job raises; where a
                lane did it, the function that is returned raises it, when all of them have ended.
        """
        with _opening:
            cores = torch.get_num_threads()
        count = 1 if device.type == "mps" else min(self._most, most, cores)
        if count < 2:
            found = [job() for job in jobs]
            return lambda: found
        sent = self._start(jobs, *self._pool(count, cores // count), _surroundings(device))

        def fetch() -> list[Found]:
            wait(sent)
            return [future.result() for future in sent]

        return fetch

    def _start(
        self,
        jobs: Iterable[Callable[[], Found]],
        pool: ThreadPoolExecutor,
        room: Semaphore,
        around: _Surroundings,
    ) -> list[Future[Found]]:
        """Hand jobs to lanes; the order of what they return is that of the jobs."""
        sent, left = list[Future[Found]](), iter(jobs)
        while True:
            room.acquire()  # before the next job is made
            try:
                sent.append(pool.submit(_run, next(left), around))
            except BaseException as error:
                room.release()
                if isinstance(error, StopIteration):
                    return sent
                wait(sent)
                raise
            sent[-1].add_done_callback(lambda _: room.release())

    def _pool(self, count: int, own: int) -> tuple[ThreadPoolExecutor, Semaphore]:
        with _opening:
            if (count, own) not in self._pools:
                self._pools[count, own] = _open(count, own), Semaphore(count + 1)
            return self._pools[count, own]


def _open(count: int, own: int) -> ThreadPoolExecutor:
    """Begin ``count`` threads in each of which torch computes on ``own`` cores."""
    cores, begun = torch.get_num_threads(), Barrier(count)
    pool = ThreadPoolExecutor(count, "lane")

    def begin(_: int) -> None:
        torch.get_num_threads()  # a thread takes the number of all when it first asks
        torch.set_num_threads(own)  # of this thread, and of all that first ask afterwards
        begun.wait()

    list(pool.map(begin, range(count)))
    torch.set_num_threads(cores)  # of those that first ask afterwards; lanes keep theirs
    return pool


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
    """Return what gives a thread the modes and the stream of this one, and no gradients."""
    kind = device.type
    enabled, dtype = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)
    stream = torch.cuda.current_stream(device) if kind == "cuda" else None
    inference = torch.is_inference_mode_enabled()

    @contextmanager
    def around() -> Iterator[None]:
        with (
            torch.inference_mode(inference),
            torch.no_grad(),
            torch.autocast(kind, dtype, enabled=enabled),
            torch.cuda.stream(stream) if stream is not None else nullcontext(),
        ):
            yield

    return around
