import contextlib

import pytest

from lib.engine.clock import StepClock


@pytest.fixture
def now(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    return now


def test_rate_counts_since_the_last_reading(now):
    clock = StepClock()
    clock.add(6)
    clock.add(4)
    now[0] += 5.0
    pace = clock.read()
    assert (pace.rate, pace.seconds) == (2.0, 2.5)
    clock.add(3)
    now[0] += 1.0
    assert clock.read().rate == 3.0


def test_shares_of_steps_leave_evaluations_and_checkpoints_out(now):
    clock = StepClock()
    for name, seconds in (
        ("waiting", 3.0),
        ("sending", 1.0),
        ("evaluating", 10.0),
        ("saving", 2.0),
    ):
        with clock.phase(name):
            now[0] += seconds
    clock.add(8)
    now[0] += 4.0
    pace = clock.read()
    assert pace.shares == {
        "waiting": 3 / 8, "sending": 1 / 8, "computing": 4 / 8, "evaluating": 0.5, "saving": 0.1
    }  # fmt: skip
    assert (pace.rate, pace.seconds) == (1.0, 8.0)
    with clock.phase("waiting"):
        now[0] += 1.0
    assert clock.read().shares["waiting"] == 1.0
    assert clock.whole["waiting"] == 4.0
    assert clock.whole["computing"] == 4.0


def test_time_of_a_block_that_fails_counts_too(now):
    clock = StepClock()
    with contextlib.suppress(ZeroDivisionError), clock.phase("waiting"):
        now[0] += 1.0
        raise ZeroDivisionError
    assert clock.whole == {"waiting": 1.0}
