import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from textbook.random_coco import random_coco
from tool_loader import load_script

from lib.api import PoseEstimator
from lib.config import load_config
from lib.evaluation import evaluate_coco
from lib.evaluation.calibration import calibrated_rows, read_calibration
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import ConfigError, WeightsError
from lib.zoo.card import read_safetensors, safetensors_bytes


@pytest.fixture
def files(tmp_path):
    content, rows = random_coco(1, images=60)
    content["categories"][0]["keypoints"] = list(load_skeleton("coco").joints)
    (tmp_path / "gt.json").write_text(json.dumps(content))
    (tmp_path / "pred.json").write_text(json.dumps(rows))
    state = {"weight": torch.arange(6.0)}
    (tmp_path / "w.safetensors").write_bytes(safetensors_bytes(state, {"model": "pose_hrnet"}))
    return tmp_path, content


def test_maps_go_into_the_card_and_the_results(files, capsys):
    folder, content = files
    tool = load_script("tools/analyse/calibrate.py")
    judged = tool.main(
        [
            str(folder / "gt.json"), str(folder / "pred.json"),
            "--out", str(folder / "maps.json"), "--apply", str(folder / "mapped.json"),
            "--weights", str(folder / "w.safetensors"),
            "--weights-out", str(folder / "new/w.safetensors"),
        ]
    )  # fmt: skip
    assert judged.joint[1] < judged.joint[0]
    assert "left_ankle" in capsys.readouterr().out
    state, card = read_safetensors(folder / "new/w.safetensors")
    assert state["weight"].tolist() == [0, 1, 2, 3, 4, 5]
    assert card["model"] == "pose_hrnet"
    assert card["calibration"] == json.loads((folder / "maps.json").read_text())
    assert len(read_calibration(card["calibration"], "card").joints) == 17
    before, after = (evaluate_coco(content, folder / f) for f in ("pred.json", "mapped.json"))
    assert before == after


def test_wishes_that_do_not_go_together(files):
    folder, _ = files
    tool = load_script("tools/analyse/calibrate.py")
    names = [str(folder / "gt.json"), str(folder / "pred.json")]
    weights = str(folder / "w.safetensors")
    for extra, message in (
        (["--weights", weights], "go together"),
        (["--weights", "w.pth", "--weights-out", "v.safetensors"], "must be .safetensors"),
        (["--weights", weights, "--weights-out", weights], "already exists"),
    ):
        with pytest.raises(ConfigError, match=message):
            tool.main([*names, *extra])
    gone = [
        "--weights",
        str(folder / "x.safetensors"),
        "--weights-out",
        str(folder / "y.safetensors"),
    ]
    with pytest.raises(WeightsError, match="No weight file"):
        tool.main([*names, *gone])


def near_truth(file):
    """Return result rows that are right in part, with scores that say little."""
    rng = np.random.default_rng(0)
    rows = []
    for person in json.loads(Path(file).read_text())["annotations"]:
        joints = np.array(person["keypoints"], float).reshape(-1, 3)
        joints[:, :2] += rng.normal(0, 4, (len(joints), 2))
        joints[:, 2] = rng.uniform(0, 0.1, len(joints))
        rows.append(
            {
                "image_id": person["image_id"],
                "category_id": 1,
                "keypoints": joints.ravel().tolist(),
                "score": float(joints[:, 2].mean()),
            }
        )
    return rows


@pytest.mark.slow
def test_maps_kept_with_weights_are_applied_on_request(tiny_config, tmp_path):
    """The same scores from the tool, a test and a caller; joints and AP as they were."""
    words = ["--cfg", str(tiny_config), "TRAIN.FORMAT", "safetensors", "TEST.OKS_THRE", "0"]
    load_script("tools/train.py").main(words)
    score = load_script("tools/test.py")
    before = score.main(words)
    run = tmp_path / "output/coco/pose_hrnet/tiny"
    config = load_config(str(tiny_config))
    truth = f"{config.DATASET.ROOT}/annotations/person_keypoints_val2017.json"
    results = run / "results/keypoints_val2017_results_0.json"
    better = tmp_path / "calibrated.safetensors"
    (tmp_path / "good.json").write_text(json.dumps(near_truth(truth)))  # the network found nobody
    load_script("tools/analyse/calibrate.py").main(
        [
            truth, str(tmp_path / "good.json"),
            "--weights", str(run / "model_best.safetensors"), "--weights-out", str(better),
        ]
    )  # fmt: skip
    maps = read_calibration(read_safetensors(better)[1]["calibration"], "card")
    wanted = calibrated_rows(maps, json.loads(results.read_text()))
    request = ["TEST.MODEL_FILE", str(better), "TEST.CALIBRATE", "true"]
    after = score.main([*words, *request])
    assert after == pytest.approx(before, nan_ok=True)
    assert json.loads(results.read_text()) == wanted
    assert json.loads((run / "metrics.json").read_text())["calibrated"] is True

    pairs = [request[n] + "=" + request[n + 1] for n in (0, 2)]
    estimator = PoseEstimator.from_config(load_config(str(tiny_config), pairs), better, "cpu")
    row = wanted[0]
    centre, scale = np.array(row["center"]), np.array(row["scale"]) * 200 / 1.25
    image = cv2.imread(f"{config.DATASET.ROOT}/images/val2017/{row['image_id']:012d}.jpg")
    box = np.concatenate([centre - scale / 2, centre + scale / 2])
    (person,) = estimator.predict(image, box[None])
    assert person.keypoint_scores == pytest.approx(row["keypoints"][2::3], abs=1e-3)
    assert person.score == pytest.approx(row["score"], abs=1e-3)


def test_weights_without_maps_are_named(tiny_config, tmp_path):
    with pytest.raises(ConfigError, match="holds no calibration"):
        PoseEstimator.from_config(load_config(str(tiny_config), ["TEST.CALIBRATE=true"]))
