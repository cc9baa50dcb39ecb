"""The score of a trial that is chosen by a loss: what its training measured."""

import math

from toys.toy_task import ToyTask, toy_config

from lib.engine import fit
from lib.sweep import trials


def test_a_loss_is_what_the_training_measured(tmp_path, monkeypatch):
    cfg = toy_config(VAL_LOSS=True, TEST__BEST="loss cross", END_EPOCH=1)
    task = type("ByLoss", (ToyTask,), {"best": "loss cross"})()
    result = fit(cfg, task, tmp_path)
    monkeypatch.setattr(trials, "load_config", lambda file, overrides: cfg)
    assert trials.score("x.yaml", [], tmp_path / "model_best.pth") == result.best < 0
    cfg.TEST.BEST = "loss size of nobody"
    assert math.isnan(trials.score("x.yaml", [], tmp_path / "model_best.pth"))
