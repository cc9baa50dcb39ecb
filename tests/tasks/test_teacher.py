"""Distillation: what a teacher's answers become, for every pair of codecs, and that it is quiet."""

import json
import random
from functools import partial

import cv2
import numpy as np
import pytest
import torch
from scripts.killing import compare, write_config
from tool_loader import load_script
from torch import nn
from toys.ranks import gradients_and_results, launch
from toys.same import total

from lib.codecs import CODECS, build_codec
from lib.config import load_config
from lib.datasets.synthetic import Recipe, write_dataset
from lib.datasets.topdown import cut_crops
from lib.structures.pixels import Pixels
from lib.tasks import build_task
from lib.tasks.card import build_card
from lib.tasks.teacher import Teacher, resample
from lib.utils.errors import ConfigError, UserError, WeightsError


def codec_of(tiny_config, kind, size=(64, 96), **settings):
    """Return a codec for inputs of ``size``; maps have a quarter of it."""
    cfg = load_config(tiny_config).clone()
    cfg.defrost()
    cfg.MODEL.TARGET_TYPE = kind
    cfg.MODEL.IMAGE_SIZE = list(size)
    cfg.MODEL.HEATMAP_SIZE = [size[0] // 4, size[1] // 4]
    cfg.MODEL.CODEC = CODECS[kind].options.clone()
    cfg.MODEL.CODEC.update(settings)
    cfg.MODEL.SIGMA = 2.0
    return build_codec(cfg)


class Oracle(nn.Module):
    """Answers what a codec would like to hear, whatever it is shown."""

    def __init__(self, codec, keypoints):
        super().__init__()
        self.codec, self.keypoints, self.seen = codec, keypoints, None

    def forward(self, images):
        self.seen = images
        targets, _ = self.codec.encode(self.keypoints, torch.ones(self.keypoints.shape[:2]))
        ideal = self.codec.ideal(targets)
        if self.codec.reads == "simcc":  # it answers with logits
            return [20 + (row + 1e-12).log() / self.codec.beta for row in ideal]
        return ideal


def taught(codec, student, keypoints, places=None, weight=0.25):
    places = np.arange(keypoints.shape[1]) if places is None else np.array(places)
    oracle = Oracle(codec, keypoints)
    pixels = Pixels(rgb=False)
    return Teacher(oracle, pixels, codec, student=student, places=places, weight=weight)


def points(*shape):
    generator = torch.Generator().manual_seed(5)
    return torch.rand(*shape, 2, generator=generator) * torch.tensor([44.0, 70.0]) + 10


def views(count, size):
    return torch.randint(0, 255, (count, size[1], size[0], 3), dtype=torch.uint8)


# --- the view ---------------------------------------------------------------------------------


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("size", [(128, 192), (48, 72)])
def test_a_view_of_another_size_is_the_crop_of_that_size(unbiased, size):
    rows, columns = np.mgrid[0:150, 0:120]
    image = (128 + 40 * np.sin(rows / 23) + 50 * np.cos(columns / 19)).astype(np.uint8)
    image = cv2.merge([image, image // 2, 255 - image])
    crops = np.array([[61.0, 70.0, 80.0, 120.0]], np.float32)
    small, wanted = (
        torch.from_numpy(cut_crops(image, crops, part, unbiased=unbiased)).permute(0, 3, 1, 2)
        for part in ((64, 96), size)
    )
    found = resample(small.float(), size, unbiased=unbiased)
    assert found.shape == wanted.shape
    inner = (..., slice(3, -3), slice(3, -3))
    assert (found - wanted.float())[inner].abs().max() < 3.5  # of 255; bytes were rounded twice
    assert (found - wanted.float())[inner].abs().mean() < 0.6


def test_a_view_of_the_same_size_is_the_same():
    pixels = torch.rand(2, 3, 5, 7)
    assert resample(pixels, (7, 5), unbiased=False) is pixels


# --- targets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gaussian", "dark", "udp", "simcc", "integral"])
@pytest.mark.parametrize("student", ["gaussian", "udp", "simcc", "integral"])
@pytest.mark.parametrize("size", [(64, 96), (128, 192)])
def test_any_codec_learns_the_joints_of_any_other(tiny_config, kind, student, size):
    """A teacher that knows the joints gives the targets that the truth would give."""
    own, codec = codec_of(tiny_config, student), codec_of(tiny_config, kind, size)
    keypoints = points(3, 5)
    scale = [(a - own_less) / (b - own_less) for a, b in zip(size, (64, 96), strict=True)
             for own_less in [int(codec.unbiased)]]  # fmt: skip
    teacher = taught(codec, own, keypoints * torch.tensor(scale))
    assert teacher.gives_maps == (kind == student and size == (64, 96) and kind != "integral")
    targets, weights = teacher.targets(views(3, (64, 96)))
    assert teacher.network.seen.shape == (3, 3, size[1], size[0])
    assert (weights > 0.5).all()
    assert (weights <= 1).all()
    whole = [0.0, 0.0, 64.0, 96.0]
    if own.unbiased:
        whole = [0.0, 0.0, 63.0, 95.0]
    crop = torch.tensor([[whole[2] / 2, whole[3] / 2, whole[2], whole[3]]]).repeat(3, 1)
    ideal = own.ideal(targets)
    found, _ = own.decode_to_image(ideal, crop)
    assert (found - keypoints).abs().max() < 4.1  # a cell: maps round to the nearest
    assert (found - keypoints).abs().mean() < 1.7


def test_maps_are_taken_as_they_are(tiny_config):
    codec = codec_of(tiny_config, "gaussian")
    keypoints = points(2, 5)
    teacher = taught(codec, codec, keypoints, places=[3, -1, 0])
    targets, weights = teacher.targets(views(2, (64, 96)))
    maps, _ = codec.encode(keypoints, torch.ones(2, 5))
    assert torch.equal(targets[:, 0], maps[:, 3])
    assert torch.equal(targets[:, 2], maps[:, 0])
    assert weights.tolist() == [[1, 0, 1]] * 2


def test_maps_drawn_otherwise_are_not_taken(tiny_config):
    gaussian, dark = codec_of(tiny_config, "gaussian"), codec_of(tiny_config, "dark")
    assert gaussian.target_form != dark.target_form
    assert gaussian.target_form == codec_of(tiny_config, "softargmax").target_form
    assert codec_of(tiny_config, "simcc").target_form != (
        codec_of(tiny_config, "simcc", SPLIT_RATIO=3.0).target_form
    )
    with pytest.raises(ValueError, match="are not targets"):
        codec_of(tiny_config, "integral").as_targets(torch.zeros(1))


@pytest.mark.parametrize(
    "settings",
    [{}, {"BETA": 10.0, "LABEL_SOFTMAX": True}, {"NORMALIZE": False}, {"SMOOTHING": 0.1}],
)
def test_rows_of_a_perfect_simcc_teacher_teach_what_it_knows(tiny_config, settings):
    """The loss of the teacher's own answer is as small as it can be: its gradient is zero."""
    codec = codec_of(tiny_config, "simcc", **settings)
    shapes = codec.output_shapes(5).values()
    answer = [torch.randn(2, *shape, requires_grad=True) for shape in shapes]
    targets = codec.as_targets([part.detach() for part in answer])
    total(codec.loss(answer, targets, torch.ones(2, 5))).backward()
    assert max(part.grad.abs().max() for part in answer) < 1e-6
    other = [part.detach().roll(1, -1).requires_grad_() for part in answer]
    total(codec.loss(other, targets, torch.ones(2, 5))).backward()
    assert min(part.grad.abs().max() for part in other) > 1e-5


def test_a_doubtful_joint_weighs_its_score(tiny_config):
    gaussian, simcc = codec_of(tiny_config, "gaussian"), codec_of(tiny_config, "simcc")
    keypoints = points(1, 3)
    teacher = taught(gaussian, simcc, keypoints, places=[0, 1, -1, 2])
    inner = teacher.network.forward
    factors = torch.tensor([1.0, 0.25, -0.5])[None, :, None, None]
    teacher.network.forward = lambda images: inner(images) * factors
    _, weights = teacher.targets(views(1, (64, 96)))
    torch.testing.assert_close(weights, torch.tensor([[1.0, 0.25, 0.0, 0.0]]))


@pytest.mark.parametrize("kind", ["gaussian", "simcc"])
def test_mixed_errors_have_the_gradient_of_mixed_targets(tiny_config, kind):
    codec = codec_of(tiny_config, kind)
    truth, known = points(2, 4), torch.ones(2, 4)
    teacher = taught(codec, codec, truth.flip(1), weight=0.3)
    shapes = codec.output_shapes(4).values()
    answer = [torch.randn(2, *shape, requires_grad=True) for shape in shapes]
    output = answer[0] if len(answer) == 1 else answer
    targets, weights = codec.encode(truth, known)
    images = views(2, (64, 96))
    learn = partial(codec.loss, output)
    losses = teacher.mix(learn(targets, weights), learn, images, None)
    name, samples = codec.loss(output, targets, weights)
    assert list(losses) == [name, f"teacher_{name}", samples]
    torch.testing.assert_close(losses[samples].mean(), total(losses).detach())
    total(losses).backward()
    mixed = [part.grad.clone() for part in answer]
    taught_targets, _ = teacher.targets(images)
    pairs = [(targets, taught_targets)] if kind == "gaussian" else zip(
        targets, taught_targets, strict=True
    )  # fmt: skip
    blends = [0.7 * one + 0.3 * other for one, other in pairs]
    for part in answer:
        part.grad = None
    blend = blends[0] if kind == "gaussian" else tuple(blends)
    total(codec.loss(output, blend, weights)).backward()
    for part, gradient in zip(answer, mixed, strict=True):
        torch.testing.assert_close(part.grad, gradient)


def test_factors_of_joints_count_for_the_teacher_too(tiny_config):
    codec = codec_of(tiny_config, "gaussian")
    teacher = taught(codec, codec, points(2, 3))
    learn, images = partial(codec.loss, torch.zeros(2, 3, 24, 16)), views(2, (64, 96))
    one = teacher.mix({}, learn, images, None)["teacher_heatmap"]
    none = teacher.mix({}, learn, images, torch.zeros(3))["teacher_heatmap"]
    assert one > 0
    assert none == 0


# --- through the configuration ----------------------------------------------------------------


def write_teacher(config, path, *words):
    """Write weights with a card: another initialisation of an experiment."""
    cfg = load_config(config, ["SEED=9", *words])
    torch.manual_seed(9)
    task = build_task(cfg)
    network = task.build_model()
    torch.save({"state_dict": network.state_dict(), "meta": build_card(cfg, task)}, path)
    return str(path)


@pytest.fixture
def teacher_file(tiny_config, tmp_path):
    return write_teacher(tiny_config, tmp_path / "teacher.pth")


def skeleton_file(folder, *joints):
    file = folder / f"{joints[0]}.yaml"
    file.write_text(json.dumps({"name": joints[0], "joints": list(joints)}))
    return file


def prepared(config, *words):
    task = build_task(load_config(config, words))
    task.prepare(torch.device("cpu"))
    return task


def test_the_student_does_not_notice_how_the_teacher_was_built(tiny_config, teacher_file):
    torch.manual_seed(4)
    alone = build_task(load_config(tiny_config)).build_model().state_dict()
    torch.manual_seed(4)
    task = prepared(tiny_config, f"TRAIN.TEACHER={teacher_file}")
    network = task.build_model()
    assert all(torch.equal(value, alone[name]) for name, value in network.state_dict().items())
    teacher = task._teacher.network
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    batch = task.collate([task.build_train_dataset()[0, index] for index in range(3)])
    network.train()
    sum(v for k, v in task.loss_step(network, batch).items() if k[0] != "_").backward()
    assert not teacher.training
    assert all(weight.grad is None for weight in teacher.parameters())
    assert all(weight.grad is not None for weight in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_a_share_of_nothing_and_no_teacher_are_the_same(tiny_config, teacher_file):
    words = [f"TRAIN.TEACHER={teacher_file}", "TRAIN.TEACHER_WEIGHT=0"]
    assert prepared(tiny_config, *words)._teacher is None
    assert prepared(tiny_config)._teacher is None


def test_a_teacher_is_named_by_card_yaml_or_folder(tiny_config, teacher_file, tmp_path, caplog):
    caplog.set_level("INFO")
    bare = tmp_path / "bare.pth"
    torch.save(torch.load(teacher_file, weights_only=True)["state_dict"], bare)
    with pytest.raises(UserError, match="does not say which network"):
        prepared(tiny_config, f"TRAIN.TEACHER={bare}")
    words = [f"TRAIN.TEACHER={bare}", f"TRAIN.TEACHER_CFG={tiny_config}"]
    one = prepared(tiny_config, *words)._teacher
    assert "maps of 17 of 17 joints, weight 0.5" in caplog.text
    two = prepared(tiny_config, f"TRAIN.TEACHER={teacher_file}")._teacher
    images = views(2, (64, 96))
    assert torch.equal(one.targets(images)[0], two.targets(images)[0])
    with pytest.raises(WeightsError, match=r"nowhere\.pth"):
        prepared(tiny_config, f"TRAIN.TEACHER={tmp_path / 'nowhere.pth'}")


def test_a_teacher_of_other_joints_teaches_those_it_has(tiny_config, tmp_path, caplog):
    caplog.set_level("INFO")
    few = skeleton_file(tmp_path, "RWrist", "nose", "tail")
    words = ["MODEL.NUM_JOINTS=3", f"MODEL.SKELETON={few}", "TEST.FLIP_TEST=false"]
    words += ["DATASET.FLIP=0", "DATASET.TEST_SET="]
    odd = skeleton_file(tmp_path, "a", "b", "c")
    file = write_teacher(tiny_config, tmp_path / "odd.pth", *words, f"MODEL.SKELETON={odd}")
    with pytest.raises(ConfigError, match="knows none of the joints"):
        prepared(tiny_config, f"TRAIN.TEACHER={file}")
    file = write_teacher(tiny_config, tmp_path / "few.pth", *words)
    teacher = prepared(tiny_config, f"TRAIN.TEACHER={file}")._teacher
    assert "maps of 2 of 17 joints" in caplog.text
    _, weights = teacher.targets(views(1, (64, 96)))
    assert weights[0].nonzero()[:, 0].tolist() == [0, 10]  # nose, right wrist


def test_teachers_that_cannot_teach_are_refused(tiny_config, teacher_file, tmp_path):
    shape = ["MODEL.IMAGE_SIZE=[96,96]", "MODEL.HEATMAP_SIZE=[24,24]"]
    with pytest.raises(ConfigError, match="the shapes differ"):
        prepared(tiny_config, f"TRAIN.TEACHER={teacher_file}", *shape)
    with pytest.raises(ConfigError, match="USE_TARGET_WEIGHT"):
        load_config(tiny_config, [f"TRAIN.TEACHER={teacher_file}", "LOSS.USE_TARGET_WEIGHT=false"])


@pytest.mark.parametrize("kind", ["bottomup"])
def test_other_tasks_have_no_teacher(synthpose, tmp_path, kind):
    config = write_config(kind, tmp_path, "x")
    task = build_task(
        load_config(config, ["TRAIN.TEACHER=a.pth", f"DATASET.ROOT={synthpose}/coco"])
    )
    with pytest.raises(ConfigError, match="top-down"):
        task.prepare(torch.device("cpu"))


def test_an_exported_model_can_teach(tiny_config, tmp_path, teacher_file):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    file = tmp_path / "teacher.onnx"
    load_script("tools/export.py").main(
        ["--cfg", str(tiny_config), f"TEST.MODEL_FILE={teacher_file}", "--out", str(file)]
    )
    images = views(3, (64, 96))
    one, two = (
        prepared(tiny_config, f"TRAIN.TEACHER={path}")._teacher.targets(images)
        for path in (file, teacher_file)
    )
    torch.testing.assert_close(one[0], two[0], rtol=1e-3, atol=1e-4)


# --- pictures without annotations ----------------------------------------------------------------


def test_an_exported_model_that_gives_joints_has_nothing_to_teach_by(
    tiny_config, tmp_path, teacher_file
):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    out = tmp_path / "joints"
    words = ["--cfg", str(tiny_config), "--joints", "--out", str(out), "TEST.MODEL_FILE"]
    load_script("tools/export.py").main([*words, str(teacher_file)])
    cfg = load_config(tiny_config, [f"TRAIN.TEACHER={out}.onnx"])
    with pytest.raises(ConfigError, match=r"joints instead of maps.*without --joints"):
        build_task(cfg).prepare(torch.device("cpu"))


def test_pictures_without_annotations_join(tiny_config, synthpose, teacher_file, tmp_path):
    root = synthpose / "coco"
    truth = json.loads((root / "annotations/person_keypoints_val2017.json").read_text())
    listed = tmp_path / "pictures.json"
    listed.write_text(json.dumps({"images": truth["images"]}))
    rows = [
        {"image_id": truth["images"][k % 3]["id"], "category_id": 1, "score": score, "bbox": box}
        for k, (box, score) in enumerate(
            [([5, 6, 70, 90], 0.9), ([20, 8, 50, 60], 0.8), ([1, 1, 9, 9], 0.05)]
        )
    ]
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps(rows))
    common = {"DATASET": "coco", "ROOT": str(root)}
    entry = {
        **common,
        "NAME": "more",
        "TRAIN_SET": "val2017",
        "TEST_SET": "",
        "ANNOTATION": str(listed),
    }
    entry |= {"BOX_FILE": str(boxes)}
    mix = json.dumps(
        [{**common, "NAME": "own", "TRAIN_SET": "train2017", "TEST_SET": "val2017"}, entry]
    )
    words = [f"DATASET.MIX={mix}"]
    with pytest.raises(ConfigError, match="nobody teaches them"):
        prepared(tiny_config, *words)
    task = prepared(tiny_config, *words, f"TRAIN.TEACHER={teacher_file}")
    data = task.build_train_dataset()
    assert list(task.test_sets) == ["own"]
    batch = task.collate([data[0, len(data) - 1], data[0, len(data) - 2]])
    assert data.shares[1] == (2, 2)  # the third is below TEST.IMAGE_THRE
    assert not batch["visible"].any()
    network = task.build_model()
    losses = task.loss_step(network, batch)
    assert losses["heatmap"] == 0
    assert losses["teacher_heatmap"] > 0


# --- runs -----------------------------------------------------------------------------------------


def test_a_taught_run_that_was_killed_ends_as_one_left_in_peace(tmp_path, capsys):
    write_dataset(tmp_path, Recipe(train=4, val=2, seed=3, size=(160, 120)), workers=1)
    file = write_teacher(write_config("topdown", tmp_path, "teacher"), tmp_path / "teacher.pth")
    length = {"END_EPOCH": 4, "EVAL_PERIOD": 2, "LR_STEP": [2], "TEACHER": file}
    assert compare("topdown", tmp_path, ["save 2", "stop 2"], random.Random(1), **length)
    assert "2 kills" in capsys.readouterr().out


def test_taught_ranks_have_the_gradients_of_one_process(synthpose, tmp_path):
    config = write_config("topdown", tmp_path, "ranks")
    root = ["DATASET.ROOT", str(synthpose / "coco")]
    file = write_teacher(config, tmp_path / "teacher.pth", *root)
    keys = [*root, "WORKERS", "0", "TRAIN.TEACHER", file, "TRAIN.BATCH_SIZE_PER_GPU"]
    wanted = gradients_and_results(config, tmp_path / "one", *keys, "6")
    plain = gradients_and_results(config, tmp_path / "plain", *keys, "6", "TRAIN.TEACHER", "")
    for found in launch(gradients_and_results, 2, config, tmp_path / "two", *keys, "3"):
        assert found.keys() == wanted.keys()
        for name, gradient in wanted.items():
            np.testing.assert_allclose(found[name], gradient, rtol=1e-3, atol=1e-5)
    assert any(np.abs(plain[name] - wanted[name]).max() > 1e-4 for name in wanted)
