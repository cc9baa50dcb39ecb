"""The model in models/: small, whole, honest about itself, and of use on a photograph."""

import json
from pathlib import Path

import numpy as np
import pytest
from tool_loader import ROOT, load_script

from lib.zoo.card import read_card
from lib.zoo.fetch import file_hash
from lib.zoo.index import load_index

ENTRY = load_index().find(load_index().pose)
PHOTO = ROOT / "docs/assets/skiers.jpg"
# What people see on the photograph: x, y of some joints of the two skiers, from left to right.
SEEN = {
    "nose": ((194, 183), (470, 201)),
    "left_shoulder": ((233, 221), (507, 242)),
    "right_shoulder": ((167, 222), (448, 236)),
    "left_elbow": ((239, 273), (533, 304)),
    "right_elbow": ((149, 274), (435, 300)),
    "left_wrist": ((278, 294), (528, 344)),
    "left_knee": ((219, 408), (541, 459)),
}


def test_the_file_is_small_and_the_one_in_the_index():
    assert ENTRY.here is not None
    assert ENTRY.here.stat().st_size < 10 * 2**20
    assert len(ENTRY.sha256) >= 16
    assert file_hash(ENTRY.here).startswith(ENTRY.sha256)


def test_its_card_says_what_one_must_know():
    card = read_card(ENTRY.here)
    assert len(card["joints"]) == ENTRY.joints
    assert len(card["data"]) == 3
    assert all(len(one["sha256"]) == 64 for one in card["data"])
    assert "annotated" in card["scores"]["boxes"]
    assert ENTRY.results[0]["metrics"]["AP"] == round(card["scores"]["metrics"]["coco/AP"], 4)
    assert card["licence"]
    assert "wrong" in card["note"]  # where it fails
    paths = [line for line in card["config"].splitlines() if ": /" in line or ":\\" in line]
    assert paths == []  # of the machine it was trained on


def test_it_finds_the_people_of_a_photograph_without_a_network(tmp_path):
    boxes = ["--boxes", str(PHOTO.with_name("skiers_boxes.json"))]
    predict = load_script("tools/predict.py")
    words = [str(PHOTO), "--offline", "--no-pictures", "--out", str(tmp_path), *boxes]
    found = json.loads(Path(predict.main(words)).read_text())
    people = sorted(found["frames"][0]["people"], key=lambda person: person["box"][0])
    assert len(people) == 2
    names = found["skeleton"]["joints"]
    for n, person in enumerate(people):
        joints = {name: person["keypoints"][names.index(name)] for name in SEEN}
        away = [np.hypot(joints[j][0] - SEEN[j][n][0], joints[j][1] - SEEN[j][n][1]) for j in SEEN]
        assert max(away) < 30  # pixels; people are 330 tall
        assert np.mean(away) < 12


@pytest.mark.slow
def test_its_card_says_what_it_scores(shared, tmp_path):
    test = load_script("tools/test.py")
    words = ["--cfg", str(ROOT / "experiments/photos/lite0_mix_256x192.yaml"), "WORKERS", "0"]
    words += ["DATA_DIR", str(shared / "data"), "OUTPUT_DIR", str(tmp_path)]
    scores = test.main([*words, "TEST.MODEL_FILE", str(ENTRY.here)])
    card = read_card(ENTRY.here)["scores"]["metrics"]
    for name in ("coco/AP", "coco/AP .5", "mpii/Mean"):
        assert scores[name] == pytest.approx(card[name], abs=5e-5)
