import json

import pytest
import torch
from scripts.killing import write_config
from toys.ranks import launch, train
from toys.same import assert_same
from toys.toy_task import ToyData, ToyTask, toy_config

from lib.config import load_config
from lib.engine import fit
from lib.engine.device import Precision
from lib.engine.validation import ValidationLoss, build_validation_loss
from lib.tasks import build_task
from lib.utils.errors import ConfigError

CPU = torch.device("cpu")


def validations(folder):
    rows = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [row for row in rows if row["kind"] == "val"]


@pytest.mark.parametrize("batch", [1, 3, 7, 9])
def test_losses_are_means_over_all_samples_whatever_the_batch(batch):
    task = ToyTask(dropout=0.5)
    torch.manual_seed(3)
    network = task.build_model()
    whole = task.collate([ToyData(7)[(0, index)] for index in range(7)])
    network.eval()
    with torch.no_grad():
        wanted = task.loss_step(network, whole)
    network.train()
    measure = ValidationLoss(
        task, ToyData(7), batch, workers=0, device=CPU, precision=Precision("cpu", None)
    ).measure
    found = measure(network)
    assert found.keys() == {"loss", "loss cross", "loss size"}
    assert found["loss cross"] == pytest.approx(float(wanted["cross"]), rel=1e-5)
    assert found["loss"] == pytest.approx(float(wanted["cross"] + wanted["size"]), rel=1e-5)
    assert network.training
    assert measure(network) == found  # nothing is drawn


def test_a_run_records_the_loss_and_is_otherwise_the_same(tmp_path):
    fit(toy_config(VAL_LOSS=True), ToyTask(), tmp_path / "with")
    fit(toy_config(), ToyTask(), tmp_path / "without")
    rows = validations(tmp_path / "with")
    assert len(rows) == 4
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert "loss" not in validations(tmp_path / "without")[0]
    one, other = (
        torch.load(tmp_path / name / "checkpoint.pth", weights_only=True)
        for name in ("with", "without")
    )
    assert_same(one, other, skip="meta")


def test_ranks_share_the_samples_without_repeating_any(tmp_path):
    same = {"dropout": 0.0, "frozen_norm": True, "train_size": 12, "test_size": 5}
    keys = {"VAL_LOSS": True, "END_EPOCH": 1, "OPTIMIZER": "sgd"}
    fit(toy_config(BATCH_SIZE_PER_GPU=6, **keys), ToyTask(**same), tmp_path / "one")
    launch(train, 2, tmp_path / "two", same, keys)
    (one,), (two,) = validations(tmp_path / "one"), validations(tmp_path / "two")
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-4)


def test_a_task_without_such_a_loss_says_so():
    class Without(ToyTask):
        def build_held_out_dataset(self):
            return None

    with pytest.raises(ConfigError, match=r"TRAIN\.VAL_LOSS: pose_hrnet has no loss"):
        build_validation_loss(toy_config(VAL_LOSS=True), Without(), CPU, Precision("cpu", None))
    assert build_validation_loss(toy_config(), Without(), CPU, Precision("cpu", None)) is None


@pytest.mark.parametrize("kind", ["bottomup", "mix"])
def test_whole_images_and_mixes_have_a_loss_too(synthpose, tmp_path, kind):
    keys = ["WORKERS=0", "TRAIN.VAL_LOSS=true", "TRAIN.MAX_ITER=2", "TRAIN.EVAL_PERIOD=0"]
    if kind == "bottomup":
        keys.append(f"DATASET.ROOT={synthpose / 'coco'}")
    (tmp_path / "coco").symlink_to(synthpose / "coco")
    (tmp_path / "mpii").symlink_to(synthpose / "mpii")
    (tmp_path / "crowdpose").symlink_to(synthpose / "crowdpose")
    cfg = load_config(write_config(kind, tmp_path, "held"), keys)
    fit(cfg, build_task(cfg), tmp_path / "run")
    (row,) = validations(tmp_path / "run")
    assert row["loss"] > 0


def test_people_of_the_test_split_are_cut_as_they_are(tiny_config, synthpose):
    task = build_task(load_config(tiny_config, ["DATASET.CUTOUT=true", "DATASET.FLIP=1"]))
    data = task.build_held_out_dataset()
    (file,) = (synthpose / "coco/annotations").glob("person_*val*")
    truth = json.loads(file.read_text())
    labelled = [row for row in truth["annotations"] if row["num_keypoints"] and not row["iscrowd"]]
    assert len(data) == len(labelled)
    for index in range(len(data)):
        assert_same(*(torch.as_tensor(data[(e, index)]["image"]) for e in (0, 1)))
    assert len(task.build_train_dataset()) != len(data)


class ByLoss(ToyTask):
    """Chooses the best weights by ``name``."""

    name = "loss"

    @property
    def best(self):
        return self.name


def say_losses(monkeypatch, *values):
    """Let the measured losses be ``values``, one evaluation after the other."""
    queue = iter(values)
    monkeypatch.setattr(ValidationLoss, "measure", lambda *_: {"loss": next(queue)})


def test_the_lowest_loss_chooses_the_best_weights(tmp_path, monkeypatch):
    say_losses(monkeypatch, 3.0, 2.0, 2.5, 2.25)
    result = fit(toy_config(VAL_LOSS=True, TEST__BEST="loss"), ByLoss(), tmp_path)
    assert result.best == -2.0
    best = torch.load(tmp_path / "model_best.pth", weights_only=True)["meta"]
    assert best["step"] == 10
    assert best["scores"]["metrics"]["loss"] == 2.0


def test_a_run_ends_early_by_the_loss_resumed_or_not(tmp_path, monkeypatch):
    keys = {"VAL_LOSS": True, "EARLY_STOP": 2, "TEST__BEST": "loss"}
    say_losses(monkeypatch, 3.0, 2.0, 2.5, 2.0, 1.0)
    result = fit(toy_config(**keys, END_EPOCH=9), ByLoss(), tmp_path / "one")
    assert (result.finished, result.step, result.best) == (True, 20, -2.0)
    say_losses(monkeypatch, 3.0, 2.0, 2.5, 2.0, 1.0)
    fit(toy_config(**keys, END_EPOCH=3), ByLoss(), tmp_path / "two")
    again = fit(toy_config(**keys, END_EPOCH=9, RESUME=True), ByLoss(), tmp_path / "two")
    assert (again.finished, again.step, again.best) == (True, 20, -2.0)


def test_another_judge_begins_anew(tmp_path, caplog):
    fit(toy_config(END_EPOCH=2), ToyTask(), tmp_path)
    keys = {"VAL_LOSS": True, "END_EPOCH": 3, "RESUME": True, "TEST__BEST": "loss"}
    result = fit(toy_config(**keys), ByLoss(), tmp_path)
    assert "TEST.BEST was '' and is 'loss'" in caplog.text
    assert result.best == -validations(tmp_path)[-1]["loss"]


def test_a_loss_that_is_not_measured_is_refused(tmp_path):
    wrong = type("Wrong", (ByLoss,), {"name": "loss cros"})
    with pytest.raises(ConfigError, match=r"TEST\.BEST: there is no score loss cros.*loss cross"):
        fit(toy_config(VAL_LOSS=True), wrong(), tmp_path)
