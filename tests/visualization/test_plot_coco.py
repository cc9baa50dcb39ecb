import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from tool_loader import draw

from lib.utils.errors import DataError

SCRIPT = Path(__file__).parents[2] / "visualization/plot_coco.py"


@pytest.fixture
def run(tmp_path):
    """Nine joints, two images of different sizes, one without a confident person."""
    joints = [f"j{k}" for k in range(9)]
    skeleton = [[k, k + 1] for k in range(1, 9)]
    dataset = {
        "images": [
            {"id": 5, "file_name": "first.jpg", "height": 80, "width": 120},
            {"id": 7, "file_name": "second.png", "height": 60, "width": 50},
        ],
        "categories": [{"id": 1, "name": "bird", "keypoints": joints, "skeleton": skeleton}],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 1, "bbox": [10, 10, 40, 40]}
            | {"keypoints": [20, 20, 2] * 9, "num_keypoints": 9, "area": 900, "iscrowd": 0}
        ],
    }
    points = np.stack([np.linspace(60, 110, 9), np.linspace(20, 60, 9), np.full(9, 0.9)], axis=1)
    rows = [
        {"image_id": image, "category_id": 1, "score": score, "keypoints": points.ravel().tolist()}
        for image, score in ((5, 0.8), (5, 0.6), (5, 0.1), (7, 0.2))
    ]
    for entry in dataset["images"]:
        image = np.full((entry["height"], entry["width"], 3), 90, np.uint8)
        cv2.imwrite(str(tmp_path / entry["file_name"]), image)
    (tmp_path / "gt.json").write_text(json.dumps(dataset))
    (tmp_path / "rows.json").write_text(json.dumps(rows))

    def call(*flags):
        files = (tmp_path / "rows.json", tmp_path / "gt.json", tmp_path)
        return draw("coco", *files, tmp_path / "out", *flags)

    return tmp_path, call


def test_a_nine_joint_set_is_drawn_and_named_by_score(run):
    _, call = run
    (file,) = call()
    assert file.name == "score_700_id_5_first.png"
    picture = cv2.imread(str(file))
    assert picture.shape == (80, 120, 3)
    assert (picture[20, 60] != 90).any()
    assert (picture[:10] == 90).all()


def test_ground_truth_stands_beside_the_prediction(run):
    _, call = run
    (file,) = call("--draw-gt", "--boxes", "--labels", "--style", "safe")
    picture = cv2.imread(str(file))
    assert picture.shape == (80, 244, 3)
    assert (picture[20, 20] != 90).any()
    assert (picture[20, 124 + 60] != 90).any()


def test_thresholds_and_limit(run):
    folder, call = run
    assert len(call("--score-threshold", "0.15")) == 2
    for file in (folder / "out").iterdir():
        file.unlink()
    assert len(call("--score-threshold", "0.15", "--limit", "1")) == 1
    with pytest.raises(DataError, match="Nothing drawn"):
        call("--score-threshold", "0.95")


def test_mistakes_are_one_sentence(run):
    folder, call = run
    rows = json.loads((folder / "rows.json").read_text())
    (folder / "rows.json").write_text(json.dumps([{**rows[0], "keypoints": [1, 2, 3]}]))
    with pytest.raises(DataError, match="belong together"):
        call()
    (folder / "rows.json").write_text(json.dumps([{"image_id": 5}]))
    with pytest.raises(DataError, match=r"no \['keypoints', 'score'\]"):
        call()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("score", "0.9", "'0.9' in 'score', wanted a finite number"),
        ("score", None, "'None' in 'score'"),
        ("score", float("inf"), "'inf' in 'score'"),
        ("image_id", [5], r"'\[5\]' in 'image_id', wanted a whole number or a name"),
        ("keypoints", {"nose": [1, 2]}, "in 'keypoints', wanted numbers x, y, score"),
        ("keypoints", [[1, 2, 3]] * 9, "in 'keypoints'"),
        ("keypoints", [1.0] * 26, "in 'keypoints'"),
        ("bbox", [1, 2], "in 'bbox', wanted 4 numbers"),
        ("center", "middle", "in 'center', wanted 2 numbers"),
    ],
)
def test_values_of_another_type_are_named(run, key, value, message):
    folder, call = run
    rows = json.loads((folder / "rows.json").read_text())
    rows[2] = {**rows[2], "bbox": [0, 0, 9, 9], "center": [4, 4], "scale": [1, 1], key: value}
    (folder / "rows.json").write_text(json.dumps(rows))
    with pytest.raises(DataError, match=f"Result 2 has .*{message}"):
        call("--boxes")


def test_every_reason_to_draw_nothing_is_told_apart(run):
    folder, call = run
    with pytest.raises(DataError, match=r"No folder '.*nowhere': give --image-path"):
        call("--image-path", str(folder / "nowhere"))
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match=r"can be read in '.*empty'; check --image-path"):
        call("--image-path", str(folder / "empty"))
    with pytest.raises(DataError, match=r"nobody scored at least 0.95; see --score-threshold"):
        call("--score-threshold", "0.95")
    rows = json.loads((folder / "rows.json").read_text())
    (folder / "rows.json").write_text(json.dumps([{**row, "image_id": 99} for row in rows]))
    with pytest.raises(DataError, match="belong together"):
        call()
    (folder / "gt.json").write_text(json.dumps({"images": [{"file_name": "a.jpg"}]}))
    with pytest.raises(DataError, match="needs a whole number 'id'"):
        call()


def test_annotations_of_another_type_are_named(run):
    folder, call = run
    content = json.loads((folder / "gt.json").read_text())
    content["annotations"][0]["keypoints"] = "none"
    (folder / "gt.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="'keypoints' of annotation 1 must list numbers"):
        call("--draw-gt")


def test_a_mistake_ends_with_code_two(tmp_path):
    command = [sys.executable, str(SCRIPT), "--prediction", "none.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: No annotation file")
    assert "Traceback" not in done.stderr
