"""What the engine may ask of a task and of its training data, and what it gets by default."""

import pickle
import re
from pathlib import Path

import pytest
import torch
from tinyrcnn import write_config

from lib.config import load_config
from lib.datasets import bottomup, detection, topdown
from lib.datasets.base import TrainData
from lib.tasks.base import Task
from lib.tasks.build import TASKS, build_task
from tests.toys.toy_task import ToyData, ToyTask

LIB = Path(__file__).parents[2] / "lib"


@pytest.mark.parametrize("kind", TASKS.values())
def test_every_task_fulfils_the_contract(kind):
    assert issubclass(kind, Task)
    assert not kind.__abstractmethods__


@pytest.mark.parametrize("kind", [topdown.TrainCrops, bottomup.TrainImages, detection.TrainImages])
def test_every_training_set_fulfils_the_contract(kind):
    assert issubclass(kind, TrainData)
    assert not kind.__abstractmethods__


def test_a_task_that_lacks_a_part_cannot_be_made():
    with pytest.raises(TypeError, match="build_model"):
        type("Half", (Task,), {"describe": lambda self: {}})()


def test_no_ability_of_a_task_is_found_by_asking_for_its_name():
    asked = re.compile(r"(?:get|has)attr\((?:self\.)?_?(?:task|data|dataset|evaluator)\b")
    files = [*LIB.rglob("*.py"), *(LIB.parent / "tools").rglob("*.py")]
    found = [str(file) for file in files if asked.search(file.read_text(encoding="utf-8"))]
    assert not found


def test_defaults_of_a_training_set():
    class Letters(TrainData):
        def __len__(self):
            return 5

        def __getitem__(self, key):
            return "abcde"[key[1]] * key[0]

    data = Letters()
    assert data.batch([(2, 1), (3, 4)]) == ["bb", "eee"]
    assert data.name(3) == "3"
    assert data.sources is None
    assert ToyData(2).name(1) == "picture 1"


def test_what_a_task_is_unless_it_says_otherwise():
    task = ToyTask()
    assert task.group_ids() is None
    assert task.splits_batches
    assert not task.takes_boxes


def _parts(task):
    """What loader processes are sent where they are spawned."""
    return task.build_train_dataset(), task.collate


@pytest.mark.parametrize("kind", ["topdown", "bottomup", "rcnn"])
def test_loader_processes_can_be_sent_what_they_need(kind, make, tiny_config, synthpose, tmp_path):
    if kind == "bottomup":
        task = make()
    elif kind == "topdown":
        task = build_task(load_config(tiny_config))
    else:
        task = build_task(load_config(write_config(tmp_path, synthpose)))
    data, collate = _parts(task)
    sent_data, sent_collate = pickle.loads(pickle.dumps((data, collate)))
    keys = [(2, 0), (2, 1)]
    mine, theirs = collate(data.batch(keys)), sent_collate(sent_data.batch(keys))
    assert mine.keys() == theirs.keys()
    for name in ("image", "images"):
        for one, other in zip(mine.get(name, ()), theirs.get(name, ()), strict=True):
            assert torch.equal(one, other)
    pickle.dumps(task.build_test_loader())
