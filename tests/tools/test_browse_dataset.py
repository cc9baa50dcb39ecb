"""A sheet of the training data, and the names of what is suspicious."""

import json

import cv2
import numpy as np
import pytest
from tool_loader import load_script

from lib.utils.errors import DataError

browse = load_script("tools/browse_dataset.py")


def test_sheet(tiny_config, tmp_path):
    words = ["--out", str(tmp_path), "--people", "2", "--views", "2"]
    counts = browse.main(["--cfg", str(tiny_config), *words, "DATASET.ROT_FACTOR", "45"])
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * (96 + 4), 4 * (64 + 4), 3)
    views = [sheet[:100, 68 * n : 68 * (n + 1)].astype(int) for n in range(4)]
    assert np.abs(views[1] - views[2]).mean() > 2
    flags = json.loads((tmp_path / "flags.json").read_text())
    assert {kind: len(ids) for kind, ids in flags.items()} == counts


def test_a_planted_fault_is_shown(tiny_config, synthpose, tmp_path):
    file = synthpose / "coco/annotations/person_keypoints_train2017.json"
    content = json.loads(file.read_text())
    row = next(r for r in content["annotations"] if r.get("num_keypoints", 0) > 5)
    content["annotations"].append({**row, "id": 987654})
    (tmp_path / "twice.json").write_text(json.dumps(content))
    words = [
        "--out",
        str(tmp_path),
        "--flagged",
        "DATASET.ANNOTATION",
        str(tmp_path / "twice.json"),
    ]
    counts = browse.main(["--cfg", str(tiny_config), *words])
    assert counts["annotated twice"] == 1
    assert json.loads((tmp_path / "flags.json").read_text())["annotated twice"] == [987654]


def test_nobody(tiny_config, synthpose, tmp_path):
    file = synthpose / "coco/annotations/person_keypoints_train2017.json"
    content = json.loads(file.read_text())
    content["annotations"] = []
    (tmp_path / "none.json").write_text(json.dumps(content))
    words = ["DATASET.ANNOTATION", str(tmp_path / "none.json"), "--out", str(tmp_path)]
    with pytest.raises(DataError, match="nobody to show"):
        browse.main(["--cfg", str(tiny_config), *words])
