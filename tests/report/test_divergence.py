import hashlib
import os
import signal

import cv2
import pytest
import torch
from tool_loader import load_script
from toys.toy_task import ToyData, ToyTask, toy_config

from lib.engine import fit
from lib.engine.digest import SAMPLE
from lib.engine.flight import STEP, read_flight
from lib.report.divergence import compare_runs
from lib.structures.skeleton import skeleton_from_dict
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


def swapped(index, sample):
    return sample | {"target": sample["target"].flip(0) if index % 2 else sample["target"]}


def test_changed_flip_pairs_are_named(tmp_path):
    for name, pairs, sample in (("a", (), None), ("b", [["left", "right"]], swapped)):
        task = twisted(**({"sample": sample} if sample else {}))
        kind = type("Task", (Twisted,), {"skeleton": property(lambda _, p=pairs: skeleton(p))})
        task.__class__ = kind
        fit(config(), task, tmp_path / name)
    found = compare_runs(tmp_path / "a", tmp_path / "b")
    assert found.cause == "augmentation"
    assert any("read: skeleton is" in reason for reason in found.reasons)


def skeleton(pairs):
    return skeleton_from_dict(
        {"name": "toy", "joints": ["left", "right"], "flip_pairs": list(pairs)}, "toy"
    )


def test_layer_that_started_otherwise_is_named(plain, tmp_path):
    fit(config(), ToyTask(), tmp_path, initialise=other_start)
    found = compare_runs(plain, tmp_path)
    assert found.sentence.endswith(", in 1 of 10 tensors: conv.weight")


def test_changed_annotation_file_is_named(tmp_path):
    file = tmp_path / "train.json"
    for name, parts in (("a", {}), ("b", {"sample": moved})):
        file.write_text(name)
        fit(config(DATASET__ANNOTATION=str(file)), twisted(**parts), tmp_path / name)
    found = compare_runs(tmp_path / "a", tmp_path / "b")
    digests = [hashlib.sha256(name).hexdigest()[:12] for name in (b"a", b"b")]
    assert found.reasons == (f"read: annotations train.json is {digests[0]} and {digests[1]}",)


def test_place_of_the_data_hides_no_reason(plain, tmp_path):
    fit(config(DATASET__ROOT="elsewhere"), twisted(sample=repainted), tmp_path / "a")
    reasons = compare_runs(plain, tmp_path / "a").reasons
    assert "image files have changed" in reasons[0]
    assert reasons[1:] == ("places: DATASET.ROOT is '' and 'elsewhere'",)
    fit(config(DATASET__ROOT="elsewhere", LR=0.02), ToyTask(), tmp_path / "b")
    assert compare_runs(plain, tmp_path / "b").reasons == (
        "configuration: TRAIN.LR is 0.01 and 0.02",
    )


def test_number_format_is_named(plain, tmp_path):
    fit(config(FP16__ENABLED=True, FP16__DTYPE="bfloat16"), ToyTask(), tmp_path)
    found = compare_runs(plain, tmp_path)
    assert (found.step, found.cause) == (1, "loss")
    assert "configuration: FP16.ENABLED is False and True" in found.reasons


def test_kernels_of_the_processor_are_named(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "NO AVX")
    fit(config(), twisted(loss=lambda _: 1e-6), tmp_path)
    (reason,) = compare_runs(plain, tmp_path).reasons
    assert reason.startswith("machine: kernels of the CPU is")
    assert reason.endswith("and NO AVX")


def test_rate_that_followed_another_score_names_what_changed_the_score(tmp_path):
    class Late(ToyTask):
        """Scores nothing in the first two evaluations, of four batches each."""

        def predict_step(self, model, batch):
            self.calls = getattr(self, "calls", 0) + 1
            poses = super().predict_step(model, batch)
            if self.calls <= 8:
                poses.keypoints[:] = -1
            return poses

    keys = {"SCHEDULER": "plateau", "PATIENCE": 0, "END_EPOCH": 4}
    fit(config(**keys), ToyTask(), tmp_path / "a")
    fit(config(TEST__FLIP_TEST=True, **keys), Late(), tmp_path / "b")
    found = compare_runs(tmp_path / "a", tmp_path / "b")
    assert found.cause == "learning rate"
    assert "configuration: TEST.FLIP_TEST is False and True" in found.reasons


def test_longer_run_is_the_same_as_far_as_the_shorter_went(plain, tmp_path, capsys):
    fit(config(END_EPOCH=3), ToyTask(), tmp_path)
    assert load_script("tools/analyse/diverge.py").main([str(plain), str(tmp_path)]) is None
    said = capsys.readouterr().out
    assert "in the 10 steps that both runs did; the first did 10, the second 15" in said


@pytest.mark.parametrize("damage", ["zeros", "noise", "tail"])
def test_damaged_flight_is_compared_as_far_as_it_is_sound(damage, plain, tmp_path, caplog):
    fit(config(), ToyTask(), tmp_path)
    file = tmp_path / "flight.bin"
    data = bytearray(file.read_bytes())
    start = STEP.itemsize + 3 * (STEP.itemsize + 3 * SAMPLE.itemsize)  # of step 4
    if damage == "tail":
        file.write_bytes(data[: start + 7])
    else:
        part = data[start : start + 60]
        data[start : start + 60] = bytes(60) if damage == "zeros" else bytes(b ^ 90 for b in part)
        file.write_bytes(data)
    assert len(read_flight(tmp_path).steps) == 4
    assert ("is damaged behind step 3" in caplog.text) == (damage != "tail")
    assert compare_runs(plain, tmp_path) is None


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("flight.bin", b"", "no step in common"),
        ("flight.bin", None, "no flight.bin that can be read"),
        ("config.yaml", b"a: [", "config.yaml is damaged"),
        ("config.yaml", b"\xff\xfe", "config.yaml is damaged"),
        ("config.yaml", b"7", "it holds no keys"),
    ],
)
def test_files_that_cannot_be_read_are_sentences(name, content, match, plain, tmp_path):
    fit(config(ROOT__SEED=5), ToyTask(), tmp_path)
    (tmp_path / name).unlink()
    if content is None:
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=match):
        compare_runs(plain, tmp_path)


def test_sessions_that_say_nothing_are_passed_over(plain, tmp_path):
    fit(config(ROOT__SEED=5), ToyTask(), tmp_path)
    lines = ["[]", '{"step": 1}', '{"facts": {}}', '{"step": 1, "facts": 3}', '{"st']
    (tmp_path / "flight.jsonl").write_bytes("\n".join(lines).encode() + b"\xff")
    assert compare_runs(plain, tmp_path).cause == "weights at the start"


def test_run_without_a_flight_is_a_sentence(plain, tmp_path):
    with pytest.raises(DataError, match="FLIGHT > 0"):
        compare_runs(plain, tmp_path)
