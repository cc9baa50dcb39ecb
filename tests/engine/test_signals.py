import os
import signal
import threading

import pytest

from lib.engine.signals import StopRequest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signal_is_a_wish_and_handlers_come_back(number):
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop.requested
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # torchrun sends a second one
        assert stop.requested
        assert stop.number == number
    assert signal.getsignal(number) is before


def test_the_first_signal_counts_and_the_outer_context_is_told():
    with StopRequest() as outer:
        with StopRequest() as inner:
            os.kill(os.getpid(), signal.SIGUSR1)
            os.kill(os.getpid(), signal.SIGTERM)
        assert (inner.number, outer.number) == (signal.SIGUSR1, signal.SIGUSR1)
    with StopRequest() as later:
        assert not later.requested


def test_other_threads_cannot_catch_signals():
    def enter():
        with StopRequest() as stop:
            seen.append(stop.requested)

    seen = []
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [False]


def test_time_that_is_over_is_a_wish_too(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("lib.engine.signals.time.monotonic", lambda: now[0])
    stop = StopRequest(7.0)
    now[0] = 200.0
    with stop:  # counted from here
        assert not stop.requested
        now[0] = 206.9
        assert not stop.requested
        now[0] = 207.0
        assert stop.requested
        assert stop.late
        assert stop.number == 0
