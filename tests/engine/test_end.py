"""When a run ends before its last step."""

import os
import signal

from toys.run_files import read
from toys.same import assert_same
from toys.toy_task import ToyTask, toy_config

from lib.engine import fit


class Scored(ToyTask):
    """Scores as given, one per evaluation of the run."""

    def __init__(self, *scores, **keys):
        super().__init__(**keys)
        self.scores = list(scores)

    def build_evaluator(self):
        evaluator = super().build_evaluator()
        compute = evaluator.compute
        evaluator.compute = lambda: {**compute(), "hits": self.scores.pop(0)}
        evaluator.write = lambda folder: []
        return evaluator


def test_a_run_ends_early_when_the_score_no_longer_rises(tmp_path, caplog):
    caplog.set_level("INFO")
    task = Scored(0.1, 0.3, 0.3, float("nan"), 0.2, 0.9)
    result = fit(toy_config(END_EPOCH=9, EARLY_STOP=2), task, tmp_path)
    assert result.finished
    assert result.step == 5 * 5  # what is no number does not count
    assert result.best == 0.3
    assert "no better score in 2 evaluations: the run ends early" in caplog.text
    assert read(tmp_path, "final_state.pth")["meta"]["step"] == 25
    assert read(tmp_path, "model_best.pth")["meta"]["step"] == 10
    again = fit(toy_config(END_EPOCH=9, EARLY_STOP=2, RESUME=True), Scored(), tmp_path)
    assert (again.finished, again.step) == (True, 25)
    longer = fit(toy_config(END_EPOCH=9, EARLY_STOP=3, RESUME=True), Scored(0.1), tmp_path)
    assert (longer.finished, longer.step) == (True, 30)


def test_waiting_for_a_better_score_goes_on_after_a_stop(tmp_path):
    def stop_in_epoch_2(epoch):
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    keys = {"END_EPOCH": 9, "EARLY_STOP": 2}
    task = Scored(0.5, 0.4, broken={6: stop_in_epoch_2})
    assert not fit(toy_config(**keys), task, tmp_path).finished
    result = fit(toy_config(RESUME=True, **keys), Scored(0.4, 0.4), tmp_path)
    assert (result.finished, result.step) == (True, 15)


def test_a_run_stops_after_its_hours_and_goes_on_later(tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO")
    now = [0.0]
    monkeypatch.setattr("lib.engine.signals.time.monotonic", lambda: now[0])

    def hour(epoch):
        now[0] += 3600

    fit(toy_config(), ToyTask(), tmp_path / "whole")
    keys = {"STOP_AFTER": 1.5, "ROOT__AUTO_RESUME": True}
    folder = tmp_path / "parts"
    results = [fit(toy_config(**keys), ToyTask(broken={6: hour}), folder) for _ in range(3)]
    assert [result.finished for result in results] == [False, False, True]
    assert [result.step for result in results] == [10, 20, 20]
    assert results[0].signal == 0
    assert "the 1.5 hours of TRAIN.STOP_AFTER are over" in caplog.text
    assert_same(read(folder), read(tmp_path / "whole"))
