"""Where the time of a training goes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from torch.profiler import record_function

from lib.utils.phases import ASIDE, COMPUTING, OF_STEPS


@dataclass(frozen=True)
class Pace:
    """How fast steps were, and what they spent their time on.

    Attributes:
        rate: samples per second over all ranks, evaluations and checkpoints left out.
        seconds: per step, so too.
        shares: ``waiting`` for batches, ``sending`` them to the device and ``computing`` (all
            else) of the time of the steps, 1 together; ``evaluating`` and ``saving`` of all time.
    """

    rate: float
    seconds: float
    shares: dict[str, float] = field(default_factory=dict)


class StepClock:
    """Measures the time since the last reading, on this process's own clock.

    A GPU works behind the process's back: what it still computes while the process waits for a
    batch counts as waiting, what it still copies as computing.
    """

    def __init__(self) -> None:
        self.whole: dict[str, float] = {}  # seconds of every phase since the clock was made
        self.restart()

    def restart(self) -> None:
        """Begin a new window."""
        self._start, self._samples, self._steps = time.perf_counter(), 0, 0
        self._spent = dict.fromkeys((*OF_STEPS, *ASIDE), 0.0)

    def add(self, samples: int) -> None:
        """Count one step of ``samples`` samples over all ranks."""
        self._samples += samples
        self._steps += 1

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time of the block as spent on ``name``; traces show it by that name."""
        start = time.perf_counter()
        try:
            with record_function(name):
                yield
        finally:
            spent = time.perf_counter() - start
            self._spent[name] += spent
            self.whole[name] = self.whole.get(name, 0.0) + spent

    def read(self) -> Pace:
        """Return the pace since the last reading, and begin a new window."""
        total = max(time.perf_counter() - self._start, 1e-9)
        steps = max(total - sum(self._spent[name] for name in ASIDE), 1e-9)
        shares = {name: min(self._spent[name] / steps, 1.0) for name in OF_STEPS}
        shares[COMPUTING] = max(1.0 - sum(shares.values()), 0.0)
        shares |= {name: self._spent[name] / total for name in ASIDE}
        computing = steps - sum(self._spent[name] for name in OF_STEPS)
        self.whole[COMPUTING] = self.whole.get(COMPUTING, 0.0) + max(computing, 0.0)
        pace = Pace(self._samples / steps, steps / max(self._steps, 1), shares)
        self.restart()
        return pace
