"""Checks of a device find what they are to find; all in small on the CPU."""

import os

import numpy as np
import pytest
import torch

from lib.benchmark import device as parts
from lib.config import load_config
from lib.engine.step import TrainStep
from lib.tasks import build_task
from lib.tasks.topdown import TopDownTask

CPU = torch.device("cpu")


@pytest.fixture
def cfg(tiny_config):
    return load_config(tiny_config, ["TRAIN.LR=0.01"])


def test_steps_of_training(tiny_config):
    half = load_config(tiny_config, ["FP16.ENABLED=True", "FP16.DTYPE=bfloat16"])
    figures = parts.train_steps(half, CPU, batch=3, steps=2)
    assert figures["precision"] == "bfloat16"
    assert figures["loss"] > 0
    assert figures["per_second"] > 0


def test_a_step_must_change_weights(cfg, monkeypatch):
    monkeypatch.setattr(TrainStep, "__call__", lambda *_: {"loss": torch.tensor(2.0)})
    with pytest.raises(AssertionError, match="leaves the weights"):
        parts.train_steps(cfg, CPU, batch=2, steps=1)


def test_a_loss_must_be_finite(cfg, monkeypatch):
    monkeypatch.setattr(TrainStep, "__call__", lambda *_: {"loss": torch.tensor(float("nan"))})
    with pytest.raises(FloatingPointError, match="nan"):
        parts.train_steps(cfg, CPU, batch=2, steps=1)


def test_a_group_of_one_rank(cfg):
    before = dict(os.environ)
    figures = parts.one_rank(cfg, CPU, batch=3)
    assert figures["backend"] == "gloo"
    assert figures["sync_bn_layers"] > 10
    assert figures["loss"] > 0
    assert dict(os.environ) == before
    assert not torch.distributed.is_initialized()


def test_results_fetched_later_are_those_waited_for(cfg, monkeypatch):
    assert parts.asynchronous(cfg, CPU, boxes=13)["people"] == 13
    plain, calls = TopDownTask.predict_step, []

    def late(self, model, batch):
        calls.append(1)
        found = plain(self, model, batch)()
        found.keypoints[:] += len(calls)  # another result every time
        return lambda: found

    monkeypatch.setattr(TopDownTask, "predict_step", late)
    with pytest.raises(AssertionError, match="joints differ"):
        parts.asynchronous(cfg, CPU, boxes=13)


def test_people_spread_over_pictures(cfg):
    people = build_task(cfg).people
    table = parts.spread(people, boxes=23, images=7)
    counts = np.bincount(table.image_index, minlength=7)
    assert len(table) == 23
    assert len(table.images) == 7
    assert set(counts.tolist()) == {3, 4}
    for row in range(23):  # a box stays on its picture
        same = (people.boxes == table.boxes[row]).all(axis=1).nonzero()[0]
        assert table.image_path(row) in {people.image_path(int(i)) for i in same}


def test_a_whole_test(cfg):
    figures = parts.whole_test(cfg, CPU, boxes=11, images=3)
    assert (figures["people"], figures["images"]) == (11, 3)
    assert figures["per_second"] == pytest.approx(11 / figures["test_seconds"])


@pytest.mark.slow
def test_compiled(cfg):
    figures = parts.compiled(cfg, CPU, batch=2, rounds=1)
    assert figures["speedup"] == pytest.approx(figures["plain_ms"] / figures["compiled_ms"])
