import gzip
import json
import os
import signal

import pytest
import torch
from toys.same import assert_same
from toys.toy_task import ToyTask, toy_config

from lib.engine import fit
from lib.engine.checkpointing import CheckpointStore
from lib.utils.errors import BusyError, ConfigError, DataError, TrainingError
from lib.utils.lock import FolderLock


def lines(folder, kind):
    rows = [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if row["kind"] == kind]


def read(folder, name="checkpoint.pth"):
    return torch.load(folder / name, weights_only=True)


def test_run_leaves_what_the_table_of_tools_says(tmp_path):
    result = fit(toy_config(), ToyTask(), tmp_path / "run", tmp_path / "log")

    assert result.finished
    assert result.step == 4 * 5  # 13 samples in batches of 3
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        "checkpoint.pth", "model_best.pth", "final_state.pth",
        "config.yaml", "metrics.jsonl", "flight.bin", "flight.jsonl", "results",
    }  # fmt: skip
    train, val = lines(tmp_path / "run", "train"), lines(tmp_path / "run", "val")
    assert [row["step"] for row in val] == [5, 10, 15, 20]
    assert [row["epoch"] for row in val] == [0, 1, 2, 3]
    assert set(train[0]) == {
        "kind", "epoch", "step", "loss", "cross", "size", "_hits", "lr", "samples_per_s",
        "waiting", "sending", "computing", "evaluating", "saving", "host_gib",
    }  # fmt: skip
    assert [row["step"] for row in train[:3]] == [2, 4, 5]
    assert train[-1]["loss"] < train[0]["loss"] / 2
    assert val[-1]["people"] == 7
    assert [round(row["lr"], 6) for row in train if row["step"] % 5 == 0] == [
        0.01,
        0.01,
        1e-3,
        1e-3,
    ]
    assert list((tmp_path / "log").iterdir())


def test_weights_files_hold_plain_names_and_meta(tmp_path):
    fit(toy_config(END_EPOCH=1), ToyTask(), tmp_path)
    final = read(tmp_path, "final_state.pth")
    assert "conv.weight" in final["state_dict"]
    assert final["meta"]["model"] == "pose_hrnet"
    assert final["meta"]["step"] == 5


def test_loss_is_what_the_sum_of_named_losses_is(tmp_path):
    fit(toy_config(END_EPOCH=1), ToyTask(), tmp_path)
    for row in lines(tmp_path, "train"):
        assert row["loss"] == pytest.approx(row["cross"] + row["size"], rel=1e-5)


def test_iterations_instead_of_epochs(tmp_path):
    cfg = toy_config(MAX_ITER=12, EVAL_PERIOD=5, CHECKPOINT_PERIOD=4, LR_STEP=[7], KEEP_LAST=5)
    result = fit(cfg, ToyTask(), tmp_path)
    assert result.step == 12
    assert [row["step"] for row in lines(tmp_path, "val")] == [5, 10, 12]
    rates = {row["step"]: row["lr"] for row in lines(tmp_path, "train")}
    assert rates[6] == pytest.approx(0.01)
    assert rates[8] == pytest.approx(0.001)
    kept = sorted(path.name for path in tmp_path.glob("checkpoint_*"))
    assert kept == ["checkpoint_12.pth", "checkpoint_4.pth", "checkpoint_8.pth"]


def test_best_weights_are_those_of_the_best_score(tmp_path):
    result = fit(toy_config(), ToyTask(), tmp_path)
    scores = {row["step"]: row["hits"] for row in lines(tmp_path, "val")}
    assert result.best == max(scores.values())
    assert scores[read(tmp_path, "model_best.pth")["meta"]["step"]] == result.best


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"ACCUMULATE": 2, "EMA": 0.9, "CLIP_NORM": 1.0},
        {"FREEZE": ["conv", "norm"], "LR_MULT": {"out.*": 0.5}, "SCHEDULER": "cosine", "FLAT": 0.4},
        {"FREEZE": ["conv"], "FREEZE_UNTIL": 2, "EMA": 0.9, "EMA_RAMP": 6.0, "WD_BIAS": 0.0},
    ],
)
def test_stopped_and_resumed_run_equals_the_uninterrupted_one(tmp_path, extra):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    fit(toy_config(**extra), ToyTask(), whole)

    def stop_in_epoch(epoch_to_stop):
        def act(epoch):
            if epoch == epoch_to_stop:
                os.kill(os.getpid(), signal.SIGTERM)

        return act

    for epoch in (0, 1, 3):
        task = ToyTask(broken={6: stop_in_epoch(epoch)})
        result = fit(toy_config(ROOT__AUTO_RESUME=True, **extra), task, parts)
        assert not result.finished
    assert fit(toy_config(RESUME=True, **extra), ToyTask(), parts).finished

    assert_same(read(parts), read(whole))
    assert_same(read(parts, "model_best.pth"), read(whole, "model_best.pth"), skip="meta")
    for row, other in zip(lines(parts, "val"), lines(whole, "val"), strict=True):
        assert {**row, "seconds": 0} == {**other, "seconds": 0}


def test_a_resumed_run_takes_the_rate_of_its_configuration(tmp_path):
    fit(toy_config(END_EPOCH=1), ToyTask(), tmp_path)
    fit(toy_config(END_EPOCH=2, RESUME=True, LR=0.002), ToyTask(), tmp_path)
    assert [row["lr"] for row in lines(tmp_path, "train")][-1] == pytest.approx(0.002)


def test_resume_without_a_checkpoint_says_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="AUTO_RESUME"):
        fit(toy_config(RESUME=True), ToyTask(), tmp_path)


def test_foreign_checkpoint_is_not_resumed(tmp_path):
    torch.save({"epoch": 3, "state_dict": {"w": torch.ones(2)}}, tmp_path / "checkpoint.pth")
    with pytest.raises(ConfigError, match=r"MODEL\.PRETRAINED"):
        fit(toy_config(RESUME=True), ToyTask(), tmp_path)


def test_mistake_at_the_start_leaves_an_earlier_run_in_place(tmp_path):
    fit(toy_config(END_EPOCH=1), ToyTask(), tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match="GLOBAL_BATCH"):
        fit(toy_config(GLOBAL_BATCH=8), ToyTask(), tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_other_model_cannot_resume(tmp_path):
    fit(toy_config(END_EPOCH=1), ToyTask(), tmp_path)
    with pytest.raises(ConfigError, match=r"MODEL.NUM_JOINTS was 17, is 16"):
        fit(toy_config(RESUME=True, MODEL__NUM_JOINTS=16), ToyTask(), tmp_path)


def test_finished_run_is_left_alone_when_resumed(tmp_path):
    fit(toy_config(END_EPOCH=1), ToyTask(), tmp_path)
    before = read(tmp_path)
    result = fit(toy_config(END_EPOCH=1, ROOT__AUTO_RESUME=True), ToyTask(), tmp_path)
    assert result.finished
    assert_same(read(tmp_path), before)
    assert len(lines(tmp_path, "val")) == 1


def test_fresh_run_moves_an_earlier_one_aside(tmp_path):
    fit(toy_config(END_EPOCH=1), ToyTask(), tmp_path)
    before = read(tmp_path)
    fit(toy_config(END_EPOCH=2), ToyTask(), tmp_path)
    assert_same(read(tmp_path / "earlier-1"), before)
    assert [row["step"] for row in lines(tmp_path, "val")] == [5, 10]


def test_initial_weights_are_loaded_into_fresh_runs_only(tmp_path):
    calls = []
    fit(toy_config(END_EPOCH=1), ToyTask(), tmp_path, initialise=calls.append)
    fit(toy_config(END_EPOCH=2, RESUME=True), ToyTask(), tmp_path, initialise=calls.append)
    assert len(calls) == 1


def test_loss_that_is_not_finite_stops_names_the_batch_and_keeps_the_checkpoint(tmp_path):
    fit(toy_config(END_EPOCH=1), ToyTask(), tmp_path)
    before = read(tmp_path)
    task = ToyTask(broken={"nan": 4})
    with pytest.raises(TrainingError, match=r"not finite \(loss nan.*picture 4\b"):
        fit(toy_config(END_EPOCH=2, RESUME=True), task, tmp_path)
    assert_same(read(tmp_path), before)


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_data_is_reported_as_it_was_said(tmp_path, workers):
    def fail(epoch):
        raise DataError("picture.jpg is damaged.")

    with pytest.raises(DataError) as caught:
        fit(toy_config(ROOT__WORKERS=workers), ToyTask(broken={5: fail}), tmp_path)
    assert str(caught.value) == "picture.jpg is damaged."


def test_killed_worker_is_replaced_and_changes_nothing(tmp_path, monkeypatch):
    wait = torch.utils.data.dataloader._MultiProcessingDataLoaderIter._try_get_data
    monkeypatch.setattr(wait, "__defaults__", (0.3,))  # it looks for dead workers every 5 s
    flag = tmp_path / "killed"

    def die_once(epoch):
        if epoch == 1 and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    fit(toy_config(), ToyTask(), tmp_path / "a")
    fit(toy_config(ROOT__WORKERS=1), ToyTask(broken={5: die_once}), tmp_path / "b")
    assert flag.exists()
    assert_same(read(tmp_path / "a"), read(tmp_path / "b"))


def test_signal_during_an_evaluation_leaves_it_due(tmp_path):
    def stop():
        os.kill(os.getpid(), signal.SIGTERM)

    result = fit(toy_config(), ToyTask(on_predict=stop), tmp_path)
    assert not result.finished
    assert result.step == 5
    assert read(tmp_path)["evaluated"] is False
    assert not (tmp_path / "metrics.jsonl").exists() or not lines(tmp_path, "val")
    assert fit(toy_config(RESUME=True), ToyTask(), tmp_path).finished
    assert [row["step"] for row in lines(tmp_path, "val")] == [5, 10, 15, 20]


def test_evaluation_that_draws_random_numbers_does_not_change_a_resumed_run(tmp_path):
    """The stop comes in an evaluation after which no checkpoint is due."""
    keys = {"CHECKPOINT_PERIOD": 3, "ROOT__AUTO_RESUME": True}
    fit(toy_config(**keys), ToyTask(on_predict=lambda: torch.rand(1)), tmp_path / "whole")

    def draw_and_stop():
        torch.rand(1)
        os.kill(os.getpid(), signal.SIGTERM)

    result = fit(toy_config(**keys), ToyTask(on_predict=draw_and_stop), tmp_path / "parts")
    assert result.step == 5
    fit(toy_config(**keys), ToyTask(on_predict=lambda: torch.rand(2)), tmp_path / "parts")
    assert_same(read(tmp_path / "parts"), read(tmp_path / "whole"))


def test_gradients_that_overflow_do_not_reach_a_checkpoint(tmp_path):
    fit(toy_config(END_EPOCH=1), ToyTask(), tmp_path)
    before = read(tmp_path)

    class Overflowing(ToyTask):
        def loss_step(self, model, batch):
            losses = super().loss_step(model, batch)
            # The value is 0, its gradient is infinite.
            return {**losses, "root": model.table.square().sum().mul(0).sqrt()}

    with pytest.raises(TrainingError, match="gradients overflowed"):
        fit(toy_config(END_EPOCH=2, RESUME=True, CHECKPOINT_ITERS=1), Overflowing(), tmp_path)
    assert_same(read(tmp_path), before)


def test_full_disk_does_not_stop_a_run_but_its_end(tmp_path, monkeypatch):
    fit(toy_config(END_EPOCH=1), ToyTask(), tmp_path)
    before = read(tmp_path)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match=r"No space left.*intact"):
        fit(toy_config(END_EPOCH=2, RESUME=True), ToyTask(test_size=5), tmp_path)
    assert_same(read(tmp_path), before)


def test_global_batch_is_checked(tmp_path):
    with pytest.raises(ConfigError, match="gives 6"):
        fit(toy_config(GLOBAL_BATCH=8, ACCUMULATE=2), ToyTask(), tmp_path)


def test_a_second_run_is_refused_and_touches_nothing(tmp_path):
    """As somebody who starts the same command twice."""
    met = []

    def start_another(epoch):
        if epoch != 2 or met:
            return
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        with pytest.raises(BusyError, match=f"process {os.getpid()}.*training since") as refusal:
            fit(toy_config(ROOT__SEED=5), ToyTask(), tmp_path)
        after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        met.append((str(refusal.value), before, after))

    task = ToyTask(broken={"any": start_another})
    assert fit(toy_config(), task, tmp_path).finished
    ((sentence, before, after),) = met
    assert str(tmp_path) in sentence
    assert before == after
    assert {"checkpoint.pth", "model_best.pth", "running.lock"} <= set(before)
    assert not list(tmp_path.glob("earlier-*"))
    assert not list(tmp_path.glob("*.lock"))
    assert fit(toy_config(END_EPOCH=1), ToyTask(), tmp_path).finished


def test_a_run_whose_folder_was_taken_over_writes_no_more(tmp_path):
    """A process that slept for long must not write over what its successor did."""

    def lose(epoch):
        if epoch == 2:
            (tmp_path / "running.lock").unlink()
            thief = FolderLock(tmp_path, "training")
            thief.__enter__()
            (tmp_path / "checkpoint.pth").write_bytes(b"theirs")

    with pytest.raises(BusyError, match="took over"):
        fit(toy_config(), ToyTask(broken={"any": lose}), tmp_path)
    assert (tmp_path / "checkpoint.pth").read_bytes() == b"theirs"
    assert (tmp_path / "running.lock").is_file()


@pytest.mark.parametrize("error", [DataError("bad"), RuntimeError("ours")])
def test_a_run_that_fails_gives_its_folder_back(tmp_path, error):
    def fail(epoch):
        raise error

    with pytest.raises(type(error)):
        fit(toy_config(), ToyTask(broken={3: fail}), tmp_path)
    assert not list(tmp_path.glob("*.lock"))


def test_a_wrong_ground_truth_is_found_before_the_training(tmp_path):
    class Misled(ToyTask):
        def build_evaluator(self):
            raise DataError("other people")

        def loss_step(self, model, batch):
            raise AssertionError

    with pytest.raises(DataError, match="other people"):
        fit(toy_config(), Misled(), tmp_path)


@pytest.mark.parametrize("metrics", [{}, {"hits": float("nan")}])
def test_a_run_without_a_score_says_once_that_there_is_no_best_model(tmp_path, caplog, metrics):
    class Unscored(ToyTask):
        def build_evaluator(self):
            evaluator = super().build_evaluator()
            evaluator.compute = lambda: metrics
            return evaluator

    assert fit(toy_config(), Unscored(), tmp_path).best is None
    assert caplog.text.count("gives no score: there will be no model_best.pth") == 1
    assert not (tmp_path / "model_best.pth").exists()
    assert (tmp_path / "final_state.pth").is_file()


def test_keys_without_effect_are_said_when_a_training_starts(tmp_path, caplog):
    class Whole(ToyTask):
        def describe(self):
            return {**super().describe(), "task": "bottomup"}

    fit(toy_config(END_EPOCH=1, WHOLE_IMAGES=True), Whole(), tmp_path)
    assert "TRAIN.WHOLE_IMAGES (not for bottom-up models)" in caplog.text


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


def test_the_rate_of_a_run_is_that_of_its_batch(tmp_path):
    keys = {"LR_RULE": "sqrt", "LR_BATCH": 24, "ACCUMULATE": 2, "END_EPOCH": 1}
    fit(toy_config(**keys), ToyTask(), tmp_path)
    assert lines(tmp_path, "train")[0]["lr"] == pytest.approx(0.01 * 0.5)
