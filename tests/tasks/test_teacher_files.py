"""Teachers from files, in whole runs."""

import json
import random

import numpy as np
import pytest
import torch
from scripts.killing import compare, write_config
from tool_loader import load_script
from toys.crop_views import views
from toys.ranks import gradients_and_results, launch

from lib.config import load_config
from lib.datasets.synthetic import Recipe, write_dataset
from lib.tasks import build_task
from lib.tasks.card import build_card
from lib.utils.errors import ConfigError, UserError, WeightsError

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
    with pytest.raises(UserError, match=r"does not say which network .* in TRAIN\.TEACHER_CFG"):
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
