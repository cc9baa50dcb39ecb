import os
import signal
import threading

import pytest
from toys.toy_task import ToyTask, toy_config

from lib.engine import fit
from lib.engine.signals import StopRequest, stop_of_job


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


def test_what_the_outer_context_was_told_before_counts():
    """Between the trainings of a sweep, and while the data of a job are read."""
    with StopRequest() as outer:
        os.kill(os.getpid(), signal.SIGUSR1)
        with StopRequest() as inner:
            assert inner.requested
            assert inner.number == outer.number == signal.SIGUSR1


def test_the_start_of_a_job_hears_its_signal(tmp_path, monkeypatch):
    monkeypatch.setenv("EFEPOSE_REQUEUE", "USR1")
    with stop_of_job():
        os.kill(os.getpid(), signal.SIGUSR1)
        result = fit(toy_config(), ToyTask(), tmp_path)
    assert (result.finished, result.signal) == (False, signal.SIGUSR1)
    assert result.step < 3
    assert (tmp_path / "checkpoint.pth").exists()
    monkeypatch.delenv("EFEPOSE_REQUEUE")
    before = signal.getsignal(signal.SIGINT)
    with stop_of_job():
        assert signal.getsignal(signal.SIGINT) is before


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
