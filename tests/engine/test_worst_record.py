import json
import os
import signal

import cv2
import numpy as np
import pytest
import torch
from toys.same import assert_same
from toys.toy_task import ToyData, ToyTask, toy_config

from lib.engine import fit
from lib.utils.losses import SAMPLES


def config(**keys):
    return toy_config(**{"END_EPOCH": 3, "WORST": 4, **keys})


def named(folder):
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] == "worst"]


class Noting(ToyTask):
    """Keeps what every sample lost, in the order of the steps."""

    def loss_step(self, model, batch):
        losses = super().loss_step(model, batch)
        self.seen = getattr(self, "seen", [])
        self.seen += list(zip(losses[SAMPLES].tolist(), batch["index"], strict=True))
        return losses


class Silent(ToyTask):
    def loss_step(self, model, batch):
        losses = super().loss_step(model, batch)
        return {name: value for name, value in losses.items() if name != SAMPLES}


def test_every_epoch_names_its_worst_samples(tmp_path, caplog):
    task = Noting()
    with caplog.at_level("INFO"):
        fit(config(), task, tmp_path)
    lines = named(tmp_path)
    assert [(line["epoch"], line["step"]) for line in lines] == [(0, 5), (1, 10), (2, 15)]
    for epoch, line in enumerate(lines):
        wanted = sorted(task.seen[13 * epoch : 13 * (epoch + 1)], reverse=True)[:4]
        assert line["loss"] == pytest.approx([loss for loss, _ in wanted])
        assert line["key"] == [f"{epoch}:{index}" for _, index in wanted]
        assert line["name"] == [f"picture {index}" for _, index in wanted]
    assert f"epoch 2, highest losses of samples: {lines[2]['loss'][0]:.4g} picture" in caplog.text


def test_training_is_the_same_with_and_without(tmp_path):
    for name, count in (("with", 4), ("without", 0)):
        fit(config(WORST=count), ToyTask(), tmp_path / name)
    assert not named(tmp_path / "without")
    weights = [
        torch.load(tmp_path / name / "final_state.pth", weights_only=True)["state_dict"]
        for name in ("with", "without")
    ]
    assert_same(*weights)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_stopped_and_resumed_run_names_the_same(tmp_path, accumulate):
    def stop(epoch):
        if epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    fit(config(ACCUMULATE=accumulate), ToyTask(), tmp_path / "plain")
    task = ToyTask(broken={"any": stop})
    assert not fit(config(ACCUMULATE=accumulate), task, tmp_path / "b").finished
    payload = torch.load(tmp_path / "b" / "checkpoint.pth", weights_only=True)
    assert payload["worst"]
    fit(config(ACCUMULATE=accumulate, RESUME=True), ToyTask(), tmp_path / "b")
    assert named(tmp_path / "b") == named(tmp_path / "plain")


def test_run_that_breaks_off_behind_its_checkpoint_names_nobody_twice(tmp_path):
    def fail(epoch):
        if epoch == 2:
            raise ZeroDivisionError

    fit(config(), ToyTask(), tmp_path / "plain")
    cfg = config(CHECKPOINT_ITERS=3)
    with pytest.raises(ZeroDivisionError):
        fit(cfg, ToyTask(broken={"any": fail}), tmp_path / "run")
    fit(config(CHECKPOINT_ITERS=3, RESUME=True), ToyTask(), tmp_path / "run")
    assert named(tmp_path / "run") == named(tmp_path / "plain")


def test_checkpoint_of_before_resumes(tmp_path):
    def stop(epoch):
        if epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    fit(config(), ToyTask(broken={6: stop}), tmp_path)
    file = tmp_path / "checkpoint.pth"
    payload = torch.load(file, weights_only=True)
    del payload["worst"]
    torch.save(payload, file)
    assert fit(config(RESUME=True), ToyTask(), tmp_path).finished
    assert [line["epoch"] for line in named(tmp_path)] == [0, 1, 2]


def test_run_that_ends_inside_an_epoch_names_what_it_saw(tmp_path):
    fit(config(MAX_ITER=7, WORST=99), ToyTask(), tmp_path)
    assert [len(line["key"]) for line in named(tmp_path)] == [13, 6]


def test_loss_that_tells_nothing_of_samples_is_named_once(tmp_path, caplog):
    with caplog.at_level("INFO"):
        fit(config(), Silent(), tmp_path)
    assert not named(tmp_path)
    assert caplog.text.count("the loss of Silent tells none of single samples") == 1


def test_samples_of_a_mix_that_come_twice_have_two_keys(tmp_path):
    class Shared(ToyData):
        shares = ((13, 20),)

        def __getitem__(self, key):
            return super().__getitem__((key[0], key[1] % 13))

        def name(self, index):
            return super().name(index % 13)

    class Task(ToyTask):
        def build_train_dataset(self):
            return Shared(13)

    fit(config(WORST=99, END_EPOCH=1), Task(), tmp_path)
    (line,) = named(tmp_path)
    assert len(set(line["key"])) == 20
    assert len(set(line["name"])) == 13


class Painted(ToyTask):
    @staticmethod
    def painter(batch, place, skeleton):
        assert skeleton.joints == ("spot",)
        torch.rand(1)  # draws as no painter should
        value = 40 + 10 * batch["index"][place]
        return np.full((20, 10 + place, 3), value, np.uint8)


def test_worst_samples_are_painted_and_training_stays_the_same(tmp_path):
    fit(config(WORST=5), Painted(), tmp_path / "painted")
    fit(config(WORST=5), ToyTask(), tmp_path / "plain")
    for line, plain in zip(named(tmp_path / "painted"), named(tmp_path / "plain"), strict=True):
        files = line.pop("pictures")
        assert line == plain
        assert files == {"worst": f"samples/worst_{line['step']:08d}.jpg"}
        sheet = cv2.imread(str(tmp_path / "painted" / files["worst"]))
        assert sheet.shape == (2 * 204, 100 + 110 + 120 + 130 + 12, 3)  # four, and one below
        values = [40 + 10 * int(key.partition(":")[2]) for key in line["key"]]
        assert sheet[150, 50].tolist() == pytest.approx([values[0]] * 3, abs=4)
        assert sheet[204 + 150, 50].tolist() == pytest.approx([values[4]] * 3, abs=4)
    weights = [
        torch.load(tmp_path / name / "final_state.pth", weights_only=True)["state_dict"]
        for name in ("painted", "plain")
    ]
    assert_same(*weights)


def test_painter_that_fails_costs_a_warning_and_not_the_run(tmp_path, caplog):
    class Failing(ToyTask):
        @staticmethod
        def painter(batch, place, skeleton):
            raise ZeroDivisionError("no such colour")

    assert fit(config(), Failing(), tmp_path).finished
    assert caplog.text.count("not painted any more (no such colour)") == 1
    assert len(named(tmp_path)) == 3
