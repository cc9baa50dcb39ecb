import pytest
from toys.run_files import lines, read
from toys.same import assert_same
from toys.toy_task import ToyTask, toy_config

from lib.engine import fit
from lib.utils.errors import ConfigError


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


def test_mistake_at_the_start_leaves_an_earlier_run_in_place(tmp_path):
    fit(toy_config(END_EPOCH=1), ToyTask(), tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match="GLOBAL_BATCH"):
        fit(toy_config(GLOBAL_BATCH=8), ToyTask(), tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


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


def test_global_batch_is_checked(tmp_path):
    with pytest.raises(ConfigError, match="gives 6"):
        fit(toy_config(GLOBAL_BATCH=8, ACCUMULATE=2), ToyTask(), tmp_path)


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


def test_the_rate_of_a_run_is_that_of_its_batch(tmp_path):
    keys = {"LR_RULE": "sqrt", "LR_BATCH": 24, "ACCUMULATE": 2, "END_EPOCH": 1}
    fit(toy_config(**keys), ToyTask(), tmp_path)
    assert lines(tmp_path, "train")[0]["lr"] == pytest.approx(0.01 * 0.5)
