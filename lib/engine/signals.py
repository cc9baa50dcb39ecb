"""SIGTERM, SIGINT and SIGUSR1 become a wish to stop after the current step."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from types import FrameType
from typing import Any

from lib.utils.slurm import REQUEUE_ON

# Clusters announce the end of a job's time by SIGUSR1; Windows has none.
_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGUSR1") if hasattr(signal, name)
)


def stop_of_job() -> AbstractContextManager[object]:
    """Return a context in which the signal to a job that may be requeued is not lost.

    The time may be over while data are still being read: training then stops after its first step.
    Elsewhere Ctrl-C is to end a program that has not begun at once, and nothing is caught.
    """
    return StopRequest() if REQUEUE_ON in os.environ else nullcontext()


class StopRequest:
    """Context in which these signals set ``requested`` instead of ending the process.

    The end of the time given sets it, too. Inside another such context both are told, and what the
    outer one was told before counts. Outside the main thread signals cannot be caught; there only
    time counts.

    Args:
        seconds: how long the work may take, from the beginning of the context.

    Attributes:
        number: the first signal that came; 0 if none did.
    """

    def __init__(self, seconds: float = math.inf) -> None:
        self.number = 0
        self.seconds = seconds
        self._begun = time.monotonic()
        self._before: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether somebody wants to stop, or the time is over."""
        return self.number != 0 or self.late

    @property
    def late(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() - self._begun >= self.seconds

    def __enter__(self) -> StopRequest:
        self._begun = time.monotonic()
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.getsignal(number) for number in _SIGNALS}
            for number in _SIGNALS:
                signal.signal(number, self._note)
                outer = self._outer(number)
                self.number = self.number or (outer.number if outer is not None else 0)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        # No logging here: the handler may interrupt a log call that holds the lock.
        self.number = self.number or number
        outer = self._outer(number)
        if outer is not None:
            outer._note(number, frame)

    def _outer(self, number: int) -> StopRequest | None:
        outer = getattr(self._before.get(number), "__self__", None)
        return outer if isinstance(outer, StopRequest) else None
