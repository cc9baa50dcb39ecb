import pytest

from lib.engine.advice import on_pauses, on_steps


@pytest.mark.parametrize(
    ("shares", "machine", "words"),
    [
        ({"waiting": 0.5}, (1, 4, "cpu"), "raise WORKERS (now 1 on 4 cores)"),
        ({"waiting": 0.9}, (0, 4, "cuda"), "the device is idle"),
        ({"waiting": 0.9}, (4, 4, "cuda"), "all 4 cores load already"),
        ({"waiting": 0.1, "sending": 0.3}, (1, 4, "cuda"), "PIN_MEMORY"),
        ({"waiting": 0.49, "sending": 0.1}, (1, 4, "cuda"), ""),
        ({}, (1, 4, "cpu"), ""),
    ],
)
def test_steps(shares, machine, words):
    found = on_steps(shares, *machine)
    assert words in found
    assert bool(found) == bool(words)


def test_pauses_are_worth_a_word_when_long_and_much():
    assert "EVAL_PERIOD" in on_pauses({"computing": 50.0, "evaluating": 70.0})
    assert "58 %" in on_pauses({"computing": 50.0, "evaluating": 70.0})
    assert "CHECKPOINT_PERIOD" in on_pauses({"computing": 100.0, "saving": 70.0})
    assert on_pauses({"computing": 5.0, "evaluating": 7.0}) == ""  # of a run of seconds
    assert on_pauses({"computing": 500.0, "evaluating": 70.0}) == ""
