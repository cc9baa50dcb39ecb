"""A data set with nine joints of its own trains, tests and plots with no code."""

import json

import pytest
from tool_loader import draw, train_and_test

NINE = [0, 5, 6, 9, 10, 11, 12, 15, 16]  # of COCO's seventeen
NAMES = ["head", "left_s", "right_s", "left_w", "right_w", "left_h", "right_h", "left_a", "right_a"]


@pytest.fixture
def nine_joints(synthpose, tmp_path):
    """Rewrite the annotations of synthpose with nine joints; return the folder of both files."""
    for split in ("train2017", "val2017"):
        file = synthpose / f"coco/annotations/person_keypoints_{split}.json"
        content = json.loads(file.read_text())
        content["categories"] = [
            {"id": 1, "name": "figure", "keypoints": NAMES, "skeleton": [[2, 4], [3, 5], [6, 8]]}
        ]
        for row in content["annotations"]:
            joints = [row["keypoints"][3 * k : 3 * k + 3] for k in NINE]
            row["keypoints"] = [value for joint in joints for value in joint]
            row["num_keypoints"] = sum(joint[2] > 0 for joint in joints)
        (tmp_path / f"{split}.json").write_text(json.dumps(content))
    return tmp_path


def test_nine_joints(nine_joints, tiny_config, synthpose, tmp_path):
    images = synthpose / "coco/images"
    words = {
        "DATASET.DATASET": "custom",
        "DATASET.ANNOTATION": nine_joints / "train2017.json",
        "DATASET.ANNOTATION_TEST": nine_joints / "val2017.json",
        "DATASET.IMAGES": images / "train2017",
        "DATASET.IMAGES_TEST": images / "val2017",
        "MODEL.NUM_JOINTS": 9,
        "TRAIN.END_EPOCH": 1,
        "TRAIN.LR_STEP": [],
    }
    metrics = train_and_test(tiny_config, words)
    assert 0 <= metrics["AP"] <= 1
    folder = tmp_path / "output/custom/pose_hrnet/tiny"
    assert json.loads((folder / "metrics.json").read_text())["joints"] == NAMES
    results = folder / "results/keypoints_val2017_results_0.json"
    truth, images = nine_joints / "val2017.json", images / "val2017"
    assert draw("coco", results, truth, images, tmp_path / "pictures", "--score-threshold", 0)
