import json
import os
import signal

import pytest
from toys.toy_task import ToyTask, toy_config

from lib.engine import fit
from lib.engine.trackers import build
from lib.engine.trackers.base import TRACKERS, Tracker, numbers_of
from lib.utils.errors import ConfigError


class Notebook(Tracker):
    """Keeps what it gets in a list that outlives it."""

    got, places = [], []
    breaks_at = None

    def __init__(self, place):
        self.places.append(place)
        self.identity = place.identity or "page 1"

    def scalars(self, values, step):
        if step == self.breaks_at:
            raise RuntimeError("out of\nink")
        self.got.append((step, dict(values)))

    def picture(self, name, path, step):
        self.got.append((step, name, path.read_text()))

    def close(self):
        self.got.append("closed")


@pytest.fixture
def notebook(monkeypatch):
    class Mine(Notebook):
        got, places = [], []

    monkeypatch.setitem(TRACKERS._entries, "notebook", Mine)
    return Mine


def config(**keys):
    cfg = toy_config(END_EPOCH=3, ROOT__LOGGERS=["notebook", "jsonl"], **keys)
    cfg.TRAIN.LR_STEP = [9]
    return cfg


def recorded(folder):
    lines = [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], dict(numbers_of(line))) for line in lines]


def test_tracker_gets_every_record_once_and_what_the_run_is(notebook, tmp_path):
    fit(config(), ToyTask(), tmp_path)
    assert notebook.got == [*recorded(tmp_path), "closed"]
    (place,) = notebook.places
    assert place.config["TRAIN.LR"] == 0.01
    assert place.config["GPUS"] == [0]
    assert place.offline
    assert place.project == "efepose"


def test_resumed_run_goes_on_in_the_same_record_and_repeats_nothing(notebook, tmp_path):
    def fail(epoch):
        if epoch == 2:
            raise ZeroDivisionError  # behind records of steps that no checkpoint is behind

    with pytest.raises(ZeroDivisionError):
        fit(config(), ToyTask(broken={"any": fail}), tmp_path)
    steps = [entry[0] for entry in notebook.got if entry != "closed"]
    assert max(steps) <= 10
    fit(config(RESUME=True), ToyTask(), tmp_path)
    assert [entry for entry in notebook.got if entry != "closed"] == recorded(tmp_path)
    assert [(place.identity, place.step) for place in notebook.places] == [("", 0), ("page 1", 10)]


def test_what_a_kill_took_from_a_tracker_is_sent_again(notebook, tmp_path):
    def stop(epoch):
        if epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    fit(config(), ToyTask(broken={2: stop}), tmp_path)
    notebook.kept_until = lambda self: 4
    del notebook.got[:]
    fit(config(RESUME=True), ToyTask(), tmp_path)
    assert notebook.got == [*[row for row in recorded(tmp_path) if row[0] > 4], "closed"]


def test_tracker_that_fails_is_given_up_and_the_run_goes_on(notebook, tmp_path, caplog):
    notebook.breaks_at = 6
    assert fit(config(), ToyTask(), tmp_path).finished
    assert "notebook takes no more records (out of ink); training goes on" in caplog.text
    assert max(entry[0] for entry in notebook.got) == 5


def test_fresh_run_in_a_used_folder_begins_another_record(notebook, tmp_path):
    fit(config(), ToyTask(), tmp_path)
    fit(config(), ToyTask(), tmp_path)
    assert [place.identity for place in notebook.places] == ["", ""]


def test_missing_package_and_unknown_logger_are_sentences_before_any_work(notebook, tmp_path):
    notebook.package = "paper_that_nobody_has"
    with pytest.raises(ConfigError, match="takes the package paper_that_nobody_has: pip install"):
        fit(config(), ToyTask(), tmp_path)
    cfg = toy_config(ROOT__LOGGERS=["tensorbord"])
    with pytest.raises(ConfigError, match=r"No logger 'tensorbord'. Did you mean tensorboard"):
        build.check_trackers(cfg)
    cfg = toy_config(TRACKING__URI="http://host")
    with pytest.raises(ConfigError, match=r"TRACKING.OFFLINE is true"):
        build.check_trackers(cfg)
    assert not list(tmp_path.glob("*.json*"))


def test_numbers_of_a_line_have_names_that_all_trackers_take():
    line = {
        "kind": "val", "epoch": 2, "step": 7, "AP .5": 0.5, "coco/AP (M)": 0.25, "AR": None,
        "seconds": {"load": 1.5}, "workers_gib": [0.5, 0.75], "advice": "turn",
    }  # fmt: skip
    assert dict(numbers_of(line)) == {
        "val/epoch": 2.0, "val/AP_.5": 0.5, "val/coco/AP_M": 0.25, "val/seconds/load": 1.5,
        "val/workers_gib/0": 0.5, "val/workers_gib/1": 0.75,
    }  # fmt: skip
