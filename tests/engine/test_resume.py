"""Runs that were stopped and go on."""

import os
import signal

import pytest
import torch
from toys.run_files import lines, read
from toys.same import assert_same
from toys.toy_task import ToyTask, toy_config

from lib.engine import fit
from lib.utils.errors import ConfigError


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
