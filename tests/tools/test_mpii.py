"""MPII through the real tools: train, test, plot."""

import json

import pytest
from tool_loader import load_script


@pytest.mark.parametrize("half_body", [-1, 1])  # the family's MPII reader cannot do half bodies
def test_train_test_plot(tiny_config, synthpose, tmp_path, capsys, half_body):
    words = {
        "DATASET.DATASET": "mpii",
        "DATASET.ROOT": synthpose / "mpii",
        "DATASET.TRAIN_SET": "train",
        "DATASET.TEST_SET": "valid",
        "MODEL.NUM_JOINTS": 16,
        "DATASET.PROB_HALF_BODY": half_body,
        "DATASET.NUM_JOINTS_HALF_BODY": 4,
        "TRAIN.END_EPOCH": 1,
        "TRAIN.LR_STEP": [],
    }
    command = ["--cfg", str(tiny_config), *[f"{key}={value}" for key, value in words.items()]]
    load_script("tools/train.py").main(command)
    metrics = load_script("tools/test.py").main(command)
    assert {"Head", "Ankle", "Mean", "Mean@0.1", "Mean@0.10"} <= metrics.keys()
    folder = tmp_path / "output/mpii/pose_hrnet/tiny"
    report = json.loads((folder / "metrics.json").read_text())
    assert report["metrics"]["Mean"] == pytest.approx(metrics["Mean"])
    assert "Mean@0.10" in capsys.readouterr().out
    files = {
        "--prediction": next(folder.rglob("pred.mat")),
        "--gt-anno": synthpose / "mpii/annot/valid.json",
        "--image-path": synthpose / "mpii/images",
        "--save-path": tmp_path / "pictures",
    }
    load_script("visualization/plot_mpii.py").main([str(w) for p in files.items() for w in p])
    assert list((tmp_path / "pictures").iterdir())
