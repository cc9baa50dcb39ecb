"""MPII through the real tools: train, test, plot."""

import json
import shutil
from pathlib import Path

import pytest
from tool_loader import draw, load_script, train_and_test

from lib.tasks.topdown import TopDownTask
from lib.utils.errors import DataError


def unsort(source, folder):
    """Copy a data set with names that fall from image to image, as MPII's follow no order."""
    shutil.copytree(source, folder)
    for file in folder.glob("annot/*.json"):
        rows = json.loads(file.read_text())
        for row in rows:
            digits = Path(row["image"]).stem
            new = digits.translate(str.maketrans("0123456789", "9876543210")) + ".jpg"
            if not (folder / "images" / new).exists():
                (folder / "images" / row["image"]).rename(folder / "images" / new)
            row["image"] = new
        file.write_text(json.dumps(rows))


@pytest.mark.parametrize("half_body", [-1, 1])  # the family's MPII reader cannot do half bodies
def test_train_test_plot(tiny_config, synthpose, tmp_path, capsys, half_body):
    unsort(synthpose / "mpii", tmp_path / "mpii")
    words = {
        "DATASET.DATASET": "mpii",
        "DATASET.ROOT": tmp_path / "mpii",
        "DATASET.TRAIN_SET": "train",
        "DATASET.TEST_SET": "valid",
        "MODEL.NUM_JOINTS": 16,
        "DATASET.PROB_HALF_BODY": half_body,
        "DATASET.NUM_JOINTS_HALF_BODY": 4,
        "TRAIN.END_EPOCH": 1,
        "TRAIN.LR_STEP": [],
    }
    metrics = train_and_test(tiny_config, words)
    assert {"Head", "Ankle", "Mean", "Mean@0.1", "Mean@0.10"} <= metrics.keys()
    folder = tmp_path / "output/mpii/pose_hrnet/tiny"
    report = json.loads((folder / "metrics.json").read_text())
    assert report["metrics"]["Mean"] == pytest.approx(metrics["Mean"])
    assert "Mean@0.10" in capsys.readouterr().out
    truth, images = tmp_path / "mpii/annot/valid.json", tmp_path / "mpii/images"
    assert draw("mpii", next(folder.rglob("pred.mat")), truth, images, tmp_path / "pictures")


@pytest.fixture
def words(tiny_config, synthpose, tmp_path):
    shutil.copytree(synthpose / "mpii", tmp_path / "mpii")
    keys = {
        "DATASET.DATASET": "mpii",
        "DATASET.ROOT": tmp_path / "mpii",
        "DATASET.TRAIN_SET": "train",
        "DATASET.TEST_SET": "valid",
        "MODEL.NUM_JOINTS": 16,
        "TRAIN.END_EPOCH": 1,
        "TRAIN.LR_STEP": [],
    }
    return ["--cfg", str(tiny_config), *[f"{key}={value}" for key, value in keys.items()]]


@pytest.mark.parametrize("tool", ["train", "test"])
@pytest.mark.parametrize("wrong", ["text", "cut off", "other people"])
def test_a_wrong_ground_truth_stops_at_once(words, tmp_path, monkeypatch, tool, wrong):
    truth, people = tmp_path / "mpii/annot/gt_valid.mat", tmp_path / "mpii/annot/valid.json"
    if wrong == "text":
        truth.write_text("jnt_missing 0 1 0\n" * 20)
    elif wrong == "cut off":
        truth.write_bytes(truth.read_bytes()[:700])
    else:
        people.write_text(json.dumps(json.loads(people.read_text())[:-1]))
    for name in ("predict_step", "loss_step"):
        monkeypatch.setattr(TopDownTask, name, None)  # nothing may be computed before
    flags = [] if tool == "train" else ["--untrained"]
    with pytest.raises(DataError, match=r"gt_valid\.mat"):
        load_script(f"tools/{tool}.py").main([*words, *flags])


def test_a_missing_ground_truth_is_said(words, tmp_path, caplog, capsys):
    (tmp_path / "mpii/annot/gt_valid.mat").unlink()
    load_script("tools/train.py").main(words)
    assert caplog.text.count("There is no ground truth") == 1
    assert "gt_valid.mat: predictions are written, and not scored" in caplog.text
    assert "there will be no model_best.pth, only final_state.pth" in caplog.text
    assert load_script("tools/test.py").main(words) == {}
    assert "predictions written, not scored" in capsys.readouterr().out
