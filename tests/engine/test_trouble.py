"""Runs in which something goes wrong."""

import os
import signal

import pytest
import torch
from toys.run_files import read
from toys.same import assert_same
from toys.toy_task import ToyTask, toy_config

from lib.engine import fit
from lib.utils.errors import DataError, TrainingError


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


def test_a_wrong_ground_truth_is_found_before_the_training(tmp_path):
    class Misled(ToyTask):
        def build_evaluator(self):
            raise DataError("other people")

        def loss_step(self, model, batch):
            raise AssertionError

    with pytest.raises(DataError, match="other people"):
        fit(toy_config(), Misled(), tmp_path)
