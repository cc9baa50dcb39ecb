import os
import signal

import cv2
import pytest
import torch
from tool_loader import load_script
from toys.toy_task import ToyData, ToyTask, toy_config

from lib.engine import fit
from lib.report.divergence import compare_runs
from lib.utils.errors import DataError


class Twisted(ToyTask):
    """The toy task with a hand in its samples and its loss."""

    sample = staticmethod(lambda index, sample: sample)
    loss = staticmethod(lambda call: 0.0)

    def build_train_dataset(self):
        task = self

        class Data(ToyData):
            def __getitem__(self, key):
                return task.sample(key[1], super().__getitem__(key))

        return Data(self.train_size, self.broken)

    def loss_step(self, model, batch):
        self.calls = getattr(self, "calls", 0) + 1
        losses = super().loss_step(model, batch)
        return losses | {"cross": losses["cross"] * (1 + self.loss(self.calls))}


def twisted(**parts):
    task = Twisted(train_size=parts.pop("size", 13))
    for name, part in parts.items():
        setattr(task, name, part)
    return task


def config(**keys):
    return toy_config(**{"ROOT__FLIGHT": 3, "END_EPOCH": 2, **keys})


def moved(index, sample):
    return sample | {"target": sample["target"] + (index == 4)}


def repainted(index, sample):
    image = sample["image"].clone()
    image[0, 0, 0] += index == 5
    return sample | {"image": image}


def redecoded(_, sample):
    return sample | {"image": sample["image"] * 1.001}


def other_start(network):
    network.conv.weight.data[0, 0, 0, 0] += 1e-6


PLANTED = {
    "seed": ({"ROOT__SEED": 5}, {}, {}, "weights at the start", 0, "SEED is 1337 and 5"),
    "order": ({"SHUFFLE": False}, {}, {}, "sample order", 1, "TRAIN.SHUFFLE is True and False"),
    "batch": ({"BATCH_SIZE_PER_GPU": 4}, {}, {}, "sample order", 1, "SIZE_PER_GPU is 3 and 4"),
    "data set": ({}, {"size": 12}, {}, "sample order", None, "differ in size"),
    "augmentation": (
        {"DATASET__ROT_FACTOR": 9.0}, {"sample": moved}, {}, "augmentation", None,
        "ROT_FACTOR is 30.0 and 9.0",
    ),
    "annotation": ({}, {"sample": moved}, {}, "augmentation", None, "annotation file"),
    "file": ({}, {"sample": repainted}, {}, "pixels", None, "image files have changed"),
    "decoder": ({}, {"sample": redecoded}, {"cv2": "0.1"}, "pixels", 1, "and 0.1"),
    "start": ({}, {"initialise": other_start}, {}, "weights at the start", 0, "weights file"),
    "rate": ({"LR": 0.02}, {}, {}, "learning rate", 1, "TRAIN.LR is 0.01 and 0.02"),
    "schedule": ({"LR_STEP": [1]}, {}, {}, "learning rate", 6, "TRAIN.LR_STEP is [2] and [1]"),
    "decay": ({"ADAM_WD": 0.1}, {}, {}, "loss", 2, "TRAIN.ADAM_WD is 0.0 and 0.1"),
    "library": ({}, {"loss": lambda _: 1e-6}, {"torch": "9.9"}, "loss", 1, "and 9.9"),
    "threads": ({}, {"loss": lambda _: 1e-6}, {"threads": 77}, "loss", 1, "and 77"),
    "TF32": ({}, {"loss": lambda _: 1e-6}, {"tf32": True}, "loss", 1, "TF32 is False and True"),
    "kernel": ({}, {"loss": lambda n: 1e-5 * (n == 7)}, {}, "loss", 7, "DETERMINISTIC"),
}  # fmt: skip


def plant(monkeypatch, machine):
    for name, value in machine.items():
        target = {
            "cv2": (cv2, "__version__"),
            "torch": (torch, "__version__"),
            "threads": (torch, "get_num_threads"),
            "tf32": (torch.backends.cudnn, "allow_tf32"),
        }[name]
        if name == "threads":
            monkeypatch.setattr(*target, lambda: 77)
        else:
            monkeypatch.setattr(*target, value)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    fit(config(), Twisted(), folder)
    yield folder
    torch.backends.cudnn.allow_tf32 = before


@pytest.mark.parametrize("planted", PLANTED)
def test_planted_cause_is_named(planted, plain, tmp_path, monkeypatch):
    keys, task, machine, cause, step, reason = PLANTED[planted]
    task = dict(task)
    initialise = task.pop("initialise", None)
    plant(monkeypatch, machine)
    fit(config(**keys), twisted(**task), tmp_path, initialise=initialise)
    monkeypatch.undo()

    found = compare_runs(plain, tmp_path)
    assert found is not None
    assert found.cause == cause
    assert step is None or found.step == step
    assert any(reason in line for line in found.reasons), found.reasons


def test_samples_that_differ_are_named(plain, tmp_path):
    fit(config(), twisted(sample=repainted), tmp_path)
    found = compare_runs(plain, tmp_path, "picture {}".format)
    assert "in 1 of 3: picture 5" in str(found)


def test_equal_runs_have_no_difference(plain, tmp_path, capsys):
    # Other facts of the machine that changed nothing are no difference either.
    fit(config(ROOT__WORKERS=1, ROOT__PRINT_FREQ=3, KEEP_LAST=2), ToyTask(), tmp_path)
    assert compare_runs(plain, tmp_path) is None
    assert load_script("tools/analyse/diverge.py").main([str(plain), str(tmp_path)]) is None
    assert "no difference" in capsys.readouterr().out


def test_stopped_and_resumed_twin_has_no_difference(plain, tmp_path):
    def stop(epoch):
        if epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    task = ToyTask(broken={6: stop})
    assert not fit(config(), task, tmp_path).finished
    with (tmp_path / "flight.bin").open("ab") as file:
        file.write(b"cut off by a kill")
    assert fit(config(RESUME=True), ToyTask(), tmp_path).finished
    assert compare_runs(plain, tmp_path) is None


def test_run_without_a_flight_is_a_sentence(plain, tmp_path):
    with pytest.raises(DataError, match="FLIGHT > 0"):
        compare_runs(plain, tmp_path)
