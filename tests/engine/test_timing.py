"""Where the time and the memory of a run go."""

import gzip
import json

import pytest
import torch
from toys.run_files import lines
from toys.same import assert_same
from toys.toy_task import ToyTask, toy_config

from lib.engine import fit
from lib.engine.checkpointing import CheckpointStore


@pytest.mark.parametrize(("pause", "share"), [(0.3, 0.75), (0.0, 0.0)])
def test_time_spent_waiting_for_data_is_told(pause, share, tmp_path, caplog, monkeypatch):
    now = [100.0]  # a clock that goes on in images and steps only
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def go_on(seconds):
        now[0] += seconds

    task = ToyTask(broken={"any": lambda epoch: go_on(pause)})
    plain = task.loss_step
    task.loss_step = lambda *args: (go_on(0.1 * len(args[1]["index"])), plain(*args))[1]
    fit(toy_config(END_EPOCH=2), task, tmp_path)
    shares = [row["waiting"] for row in lines(tmp_path, "train")]
    assert shares == pytest.approx([share] * len(shares), abs=1e-4)
    assert ("raise WORKERS" in caplog.text) == bool(pause)
    advice = [row["advice"] for row in lines(tmp_path, "train") if "advice" in row]
    assert len(advice) == bool(pause)  # once


def test_evaluations_and_checkpoints_take_time_of_their_own_and_not_of_the_steps(
    tmp_path, monkeypatch
):
    now = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def go_on(seconds):
        now[0] += seconds

    task = ToyTask(on_predict=lambda: go_on(1.0), broken={"any": lambda epoch: go_on(0.1)})
    plain = CheckpointStore.save
    monkeypatch.setattr(CheckpointStore, "save", lambda *args: (go_on(0.5), plain(*args))[1])
    fit(toy_config(END_EPOCH=2, CHECKPOINT_ITERS=1), task, tmp_path)
    before, after = lines(tmp_path, "train")[2:4]
    assert (before["step"], after["step"]) == (5, 6)
    assert before["evaluating"] == 0
    assert after["evaluating"] == pytest.approx(4 / (4 + 0.5 + 0.3), abs=1e-4)
    assert after["saving"] == pytest.approx(0.5 / 4.8, abs=1e-4)
    assert after["waiting"] == pytest.approx(1, abs=1e-4)
    assert after["samples_per_s"] == pytest.approx(10)


def test_loader_processes_tell_their_memory(tmp_path):
    fit(toy_config(END_EPOCH=1, ROOT__WORKERS=2), ToyTask(), tmp_path)
    sizes = lines(tmp_path, "train")[-1]["workers_gib"]
    assert len(sizes) == 2
    assert all(0.01 < size < 10 for size in sizes)


def test_some_steps_are_traced_for_perfetto_and_change_nothing(tmp_path):
    fit(toy_config(END_EPOCH=2, ROOT__PROFILE=2), ToyTask(), tmp_path / "traced")
    fit(toy_config(END_EPOCH=2), ToyTask(), tmp_path / "plain")
    with gzip.open(tmp_path / "traced" / "trace.json.gz") as file:
        names = [event.get("name") for event in json.load(file)["traceEvents"]]
    assert names.count("waiting") == names.count("sending") == 2
    assert any("conv" in name for name in names)
    runs = [
        torch.load(tmp_path / n / "final_state.pth", weights_only=True) for n in ("traced", "plain")
    ]
    assert_same(*(run["state_dict"] for run in runs))


def test_trace_of_more_steps_than_there_are_holds_those_there_are(tmp_path):
    fit(toy_config(END_EPOCH=1, ROOT__PROFILE=99), ToyTask(), tmp_path)
    with gzip.open(tmp_path / "trace.json.gz") as file:
        names = [event.get("name") for event in json.load(file)["traceEvents"]]
    assert names.count("sending") == 2  # of five steps, behind a warm-up of three
