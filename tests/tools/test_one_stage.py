"""The one-stage model through the same tools as the others."""

import json

import numpy as np
import pytest
import torch
from tinyrcnn import write_config
from tool_loader import draw, load_script

from lib.utils.errors import ConfigError

train, score = load_script("tools/train.py"), load_script("tools/test.py")
predict = load_script("tools/predict.py")


def run_folder(tmp_path):
    return tmp_path / "output/coco/keypoint_rcnn/tiny"


def test_train_test_plot(synthpose, tmp_path, capsys):
    config = write_config(tmp_path, synthpose)
    assert train.main(["--cfg", str(config)]).finished
    metrics = score.main(["--cfg", str(config), "MODEL.EXTRA.TEST.SCORE_THRESH", "0"])
    assert "boxes: found by the model" in capsys.readouterr().out
    assert {"AP", "box AP"} <= metrics.keys()
    results = run_folder(tmp_path) / "results/keypoints_val2017_results_0.json"
    rows = json.loads(results.read_text())
    assert {"image_id", "bbox", "keypoints", "score"} <= rows[0].keys()
    truth = synthpose / "coco/annotations/person_keypoints_val2017.json"
    images = synthpose / "coco/images/val2017"
    assert draw("coco", results, truth, images, tmp_path / "pictures", "--score-threshold", 0)
    image = next(images.iterdir())
    words = ["--cfg", str(config), "--out", str(tmp_path / "out"), "--min-score", "0", str(image)]
    words += ["MODEL.EXTRA.TEST.SCORE_THRESH", "0"]
    (frame,) = json.loads(predict.main(words).read_text())["frames"]
    assert frame["people"]
    assert {np.shape(person["keypoints"]) for person in frame["people"]} == {(17, 3)}
    with pytest.raises(ConfigError, match="finds people itself"):
        predict.main([*words, "--boxes", "boxes.json"])


def test_a_resumed_run_equals_the_whole_one(synthpose, tmp_path):
    config = write_config(tmp_path, synthpose, EVAL_PERIOD=0)
    train.main(["--cfg", str(config)])
    elsewhere = ["OUTPUT_DIR", str(tmp_path / "second")]
    train.main(["--cfg", str(config), *elsewhere, "TRAIN.MAX_ITER", "2"])
    train.main(["--cfg", str(config), *elsewhere, "--resume"])
    folders = run_folder(tmp_path), tmp_path / "second/coco/keypoint_rcnn/tiny"
    whole, resumed = (torch.load(f / "final_state.pth", weights_only=True) for f in folders)
    for name, value in whole["state_dict"].items():
        assert torch.equal(value, resumed["state_dict"][name]), name


def test_torchvisions_file_tests_the_baseline(synthpose, tmp_path):
    """A state dict under torchvision's names, as its COCO checkpoint is, loads strictly."""
    from lib.config import load_config
    from lib.models import build_model, to_official

    config = write_config(tmp_path, synthpose)
    words = ["MODEL.EXTRA.KEYPOINT.HEAD", "plain", "MODEL.EXTRA.TEST.SCORE_THRESH", "0"]
    network = build_model(load_config(config, words))
    torch.save(to_official(network), tmp_path / "coco.pth")
    file = ["TEST.MODEL_FILE", str(tmp_path / "coco.pth")]
    metrics = score.main(["--cfg", str(config), *words, *file])
    assert metrics["AP"] == pytest.approx(0, abs=0.2)
