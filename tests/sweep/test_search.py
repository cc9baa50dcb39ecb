"""The order of trials, and what ends them; trainings themselves are tested with the tool."""

import os
import signal
from pathlib import Path

import pytest

from lib.sweep import trials
from lib.sweep.samplers import build_sampler
from lib.sweep.search import Sweep, search
from lib.sweep.space import read_words
from lib.sweep.store import FILE, Store
from lib.sweep.table import rows_of
from lib.sweep.trials import Trained
from lib.utils.errors import ConfigError, DataError, TrainingError
from lib.utils.lock import FolderLock


@pytest.fixture
def world(monkeypatch):
    """Trainings that end at once; ``calls`` are their overrides, ``act`` what happens in one."""

    class World:
        def __init__(self):
            self.calls = []
            self.act = lambda settings: None

    def train(file, words):
        settings = dict(word.split("=", 1) for word in words)
        world.calls.append(settings)
        return world.act(settings) or Trained(Path(settings["OUTPUT_DIR"]), Path("w.pth"))

    def score(file, words, weights):
        settings = dict(word.split("=", 1) for word in words)
        return float(settings["TRAIN.LR"]) + int(settings["SEED"]) / 100

    world = World()
    monkeypatch.setattr(trials, "train", train)
    monkeypatch.setattr(trials, "score", score)
    return world


def sweep_of(tmp_path, *words, sampler="", most=0, seeds=(1,), file="x.yaml"):
    space = read_words(words or ["TRAIN.LR=0.1,0.4,0.2"])
    return Sweep(file, ["A=1"], build_sampler(sampler, space, 7), most, seeds, tmp_path / "out")


def done(world, key="TRAIN.LR"):
    return [call[key] for call in world.calls]


def test_every_trial_is_trained_once_with_every_seed(world, tmp_path):
    sweep, store = sweep_of(tmp_path, seeds=(3, 5)), Store(tmp_path / FILE)
    assert search(sweep, store) == 0
    assert done(world) == ["0.1", "0.1", "0.4", "0.4", "0.2", "0.2"]
    assert done(world, "SEED") == ["3", "5"] * 3
    assert len(set(done(world, "OUTPUT_DIR"))) == 6
    assert {call["A"] for call in world.calls} == {"1"}
    rows = rows_of(store, sweep.seeds)
    assert [(row["trial"], row["score"]) for row in rows] == [
        (1, pytest.approx(0.44)), (2, pytest.approx(0.24)), (0, pytest.approx(0.14))
    ]  # fmt: skip
    assert search(sweep, store) == 0
    assert len(world.calls) == 6
    assert search(sweep_of(tmp_path, seeds=(3, 5, 6)), store) == 0
    assert done(world, "SEED")[6:] == ["6"] * 3


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_more_trials_can_be_asked_for(world, tmp_path, sampler):
    if sampler == "tpe":
        pytest.importorskip("optuna")
    store = Store(tmp_path / FILE)
    words = ["TRAIN.LR=0.0..1.0"]
    search(sweep_of(tmp_path, *words, sampler=sampler, most=2), store)
    search(sweep_of(tmp_path, *words, sampler=sampler, most=5), store)
    parts = done(world)
    world.calls.clear()
    search(sweep_of(tmp_path, *words, sampler=sampler, most=5), Store(tmp_path / "whole" / FILE))
    assert done(world) == parts
    assert len(set(parts)) == 5


def test_a_search_without_end_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="--trials"):
        _ = sweep_of(tmp_path, sampler="random").limit
    assert sweep_of(tmp_path, most=2).limit == 2
    assert sweep_of(tmp_path, most=9).limit == 3


def test_a_signal_stops_after_the_run_it_hit(world, tmp_path):
    def act(settings):
        if settings["TRAIN.LR"] == "0.4":
            os.kill(os.getpid(), signal.SIGUSR1)
            return Trained(tmp_path, tmp_path, finished=False, signal=signal.SIGUSR1)
        return None

    sweep, store = sweep_of(tmp_path), Store(tmp_path / FILE)
    world.act = act
    assert search(sweep, store) == signal.SIGUSR1
    assert done(world) == ["0.1", "0.4"]
    assert list(store.runs()) == [(0, 1)]
    world.act = lambda settings: None
    assert search(sweep, store) == 0
    assert done(world) == ["0.1", "0.4", "0.4", "0.2"]


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (TrainingError("The loss is not finite"), "not finite"),
        (ConfigError("does not fit"), "does not fit"),
        (RuntimeError("CUDA out of memory. Tried\nto"), "out of memory: CUDA"),
    ],
)
def test_settings_that_cannot_be_trained_are_noted(world, tmp_path, error, note):
    def act(settings):
        if settings["TRAIN.LR"] == "0.4":
            raise error

    world.act = act
    sweep, store = sweep_of(tmp_path, seeds=(1, 2)), Store(tmp_path / FILE)
    assert search(sweep, store) == 0
    assert done(world) == ["0.1", "0.1", "0.4", "0.2", "0.2"]  # its second seed is not tried
    last = rows_of(store, sweep.seeds)[-1]
    assert (last["trial"], last["score"]) == (1, None)
    assert note in last["note"]


@pytest.mark.parametrize("error", [DataError("no images"), RuntimeError("a fault of ours")])
def test_what_other_settings_would_not_mend_ends_the_search(world, tmp_path, error):
    def act(settings):
        raise error

    world.act = act
    sweep, store = sweep_of(tmp_path), Store(tmp_path / FILE)
    with pytest.raises(type(error)):
        search(sweep, store)
    assert store.runs() == {}
    world.act = lambda settings: None
    search(sweep, store)
    assert len(store.runs()) == 3


def test_what_another_process_trains_is_left_to_it(world, tmp_path, caplog):
    caplog.set_level("INFO")
    sweep, store = sweep_of(tmp_path), Store(tmp_path / FILE)
    with FolderLock(sweep.folder(0, 1), "a test"):
        assert search(sweep, store) == 0
    assert done(world) == ["0.4", "0.2"]
    assert "at work on trials 0" in caplog.text
    search(sweep, store)
    assert done(world) == ["0.4", "0.2", "0.1"]


def test_the_experiment_is_checked_with_every_value(tiny_config, tmp_path):
    sweep = sweep_of(tmp_path, "TRAIN.LR=0.1,fast", file=str(tiny_config))
    with pytest.raises(ConfigError, match="A"):
        sweep.check()
    fixed = Sweep(str(tiny_config), [], sweep.sampler, 0, (1,), tmp_path)
    with pytest.raises(ConfigError, match=r"TRAIN\.LR"):
        fixed.check()


def test_what_is_compared_is_what_is_not_searched(tiny_config, tmp_path):
    def about(*fixed):
        space = read_words(["TRAIN.LR=0.1,0.2"])
        sweep = Sweep(str(tiny_config), fixed, build_sampler("", space, 7), 0, (1,), tmp_path)
        return sweep.about(sweep.check())

    assert about() == about("WORKERS=1", "GPUS=(3,)")
    assert about() != about("TRAIN.WD=0.5")
    assert about() != about("MODEL.EXTRA.STAGE2.NUM_MODULES=2")
    assert "TRAIN.LR" not in about()
