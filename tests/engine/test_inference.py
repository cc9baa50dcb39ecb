import math

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from toys.disk import full_disk
from toys.toy_task import ToyNet, ToyTask

from lib.engine import inference
from lib.engine.device import Precision
from lib.engine.inference import Interrupted, evaluate, evaluating, gather_poses, predict
from lib.structures.results import Poses
from lib.utils.errors import DataError

CPU = torch.device("cpu")


def poses(indices):
    indices = np.array(indices, np.int64)
    count = len(indices)
    return Poses(
        image_ids=indices * 10,
        keypoints=np.zeros((count, 1, 2), np.float32),
        keypoint_scores=np.zeros((count, 1), np.float32),
        scores=np.arange(count, dtype=np.float32),
        boxes=np.zeros((count, 4), np.float32),
        indices=indices,
        crops=np.zeros((count, 4), np.float32),
    )


def test_evaluation_scores_times_and_writes(tmp_path):
    torch.manual_seed(0)
    result = evaluate(ToyTask(), ToyNet(), CPU, Precision(), folder=tmp_path)
    assert result.people == result.metrics["people"] == 7
    assert result.score == result.metrics["hits"]
    assert set(result.seconds) == {"load", "predict", "gather", "evaluate"}
    assert result.files == [tmp_path / "results" / "toy.txt"]


@pytest.mark.parametrize("ahead", [1, 2])
def test_people_are_waited_for_when_the_next_batches_are_on_their_way(ahead):
    events = []

    class Later(ToyTask):
        def predict_step(self, model, batch):
            found, number = super().predict_step(model, batch), len(events)
            events.append(f"send {number}")

            def people():
                events.append(f"wait {number}")
                return found

            return people

    torch.manual_seed(0)
    network = ToyNet()
    Later.ahead = ahead
    together = predict(Later(), network, CPU, Precision())
    sent = [event for event in events if event.startswith("send")]
    assert len(sent) > 2
    assert events[: ahead + 2] == [*(f"send {n}" for n in range(ahead + 1)), "wait 0"]
    assert events[-1].startswith("wait")
    assert (
        together.indices.tolist() == predict(ToyTask(), ToyNet(), CPU, Precision()).indices.tolist()
    )


def test_a_failure_waits_for_what_is_under_way_before_the_network_changes():
    network, modes = ToyNet().train(), []

    class Failing(ToyTask):
        ahead = 8

        def predict_step(self, model, batch):
            if len(modes) == 2:
                raise DataError("a picture that cannot be read")
            modes.append(None)

            def people():
                modes.append(model.training)
                raise RuntimeError("another failure")

            return people

    with pytest.raises(DataError, match="cannot be read"):
        predict(Failing(), network, CPU, Precision())
    assert modes == [None, None, False, False]
    assert network.training


def test_nothing_is_written_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert evaluate(ToyTask(), ToyNet(), CPU, Precision()).files == []
    assert not list(tmp_path.iterdir())


def test_full_disk_is_an_error_unless_told_to_go_on(tmp_path, caplog):
    with full_disk():
        result = evaluate(ToyTask(), ToyNet(), CPU, Precision(), folder=tmp_path, keep_going=True)
        with pytest.raises(OSError, match="File too large"):
            evaluate(ToyTask(), ToyNet(), CPU, Precision(), folder=tmp_path)
    assert result.people == 7
    assert result.files == []
    assert "Cannot write the predictions" in caplog.text


def test_network_predicts_in_evaluation_mode_and_gets_its_modes_back():
    network = ToyNet().train()
    network.norm.eval()
    task = ToyTask(on_predict=lambda: seen.append((network.training, torch.is_grad_enabled())))
    seen = []
    predict(task, network, CPU, Precision())
    assert set(seen) == {(False, False)}
    assert network.training
    assert network.drop.training
    assert not network.norm.training


def test_modes_come_back_after_an_error():
    network = ToyNet().train()
    with pytest.raises(KeyError), evaluating(network):
        raise KeyError
    assert network.training


def test_wish_to_stop_ends_an_evaluation():
    calls = []

    def stop_at_second():
        calls.append(1)
        return len(calls) > 1

    with pytest.raises(Interrupted):
        evaluate(ToyTask(), ToyNet(), CPU, Precision(), should_stop=stop_at_second)
    assert len(calls) == 3  # before two batches, and once for the agreement


def test_missing_score_is_not_a_number():
    class Odd(ToyTask):
        def build_evaluator(self):
            evaluator = super().build_evaluator()
            evaluator.primary = "AP"
            return evaluator

    assert math.isnan(evaluate(Odd(), ToyNet(), CPU, Precision()).score)


def test_gathered_people_are_in_the_order_of_samples(monkeypatch):
    monkeypatch.setattr(inference, "gather_objects", lambda part: [part, poses([1, 1, 3])])
    everyone = gather_poses(poses([0, 2, 4]), 1)
    assert everyone.indices.tolist() == [0, 1, 1, 2, 3, 4]
    assert everyone.scores.tolist() == [0, 0, 1, 1, 2, 2]  # of one sample, in their own order


def test_people_of_one_image_keep_their_order():
    everyone = gather_poses(poses([5] * 300 + [4] * 300), 1)
    assert everyone.scores.tolist() == [*range(300, 600), *range(300)]


def test_overlapping_shards_are_an_error(monkeypatch):
    monkeypatch.setattr(inference, "gather_objects", lambda part: [part, poses([2, 5])])
    with pytest.raises(RuntimeError, match=r"\[2\] were predicted by more than one rank"):
        gather_poses(poses([0, 2, 4]), 1)


class Unreadable:
    def __len__(self):
        return 3

    def __getitem__(self, index):
        if index == 1:
            raise DataError("picture.jpg: no end marker.")
        return ToyTask().build_train_dataset()[0, index]


def test_mistake_in_a_worker_is_one_sentence():
    class Broken(ToyTask):
        def build_test_loader(self, rank=0, world=1):
            return DataLoader(Unreadable(), num_workers=1, collate_fn=self.collate)

    with pytest.raises(DataError) as caught:
        evaluate(Broken(), ToyNet(), CPU, Precision())
    assert str(caught.value) == "picture.jpg: no end marker."


def test_a_wrong_ground_truth_is_found_before_the_work():
    class Misled(ToyTask):
        def build_evaluator(self):
            raise DataError("other people")

    def never():
        raise AssertionError

    with pytest.raises(DataError, match="other people"):
        evaluate(Misled(on_predict=never), ToyNet(), CPU, Precision())
