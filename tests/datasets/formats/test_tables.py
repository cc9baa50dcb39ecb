"""DeepLabCut's and SLEAP's tables."""

import json

import cv2
import numpy as np
import pytest

from lib.datasets.formats import ReadSettings, read_labels
from lib.utils.errors import DataError


def picture(path, size=(80, 40)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((size[1], size[0], 3), np.uint8))


ONE = """scorer,me,me,me,me
bodyparts,snout,snout,tail,tail
coords,x,y,x,y
labeled-data/run/img003.png,10.5,20,30,31
labeled-data/run/img007.png,,,5,6
"""
MANY = """scorer,,,me,me,me,me
individuals,,,m1,m1,m2,m2
bodyparts,,,snout,snout,snout,snout
coords,,,x,y,x,y
labeled-data,run,img003.png,1,2,30,31
labeled-data,run,img007.png,NaN,NaN,5,6
"""


@pytest.fixture
def project(tmp_path):
    for name in ("img003.png", "img007.png"):
        picture(tmp_path / "labeled-data/run" / name)
    return tmp_path


def test_deeplabcut_of_one_animal(project):
    file = project / "labeled-data/run/CollectedData_me.csv"
    file.write_text(ONE)
    for path in (file, project):
        found = read_labels(path)
        assert found.kind == "deeplabcut"
        assert [p["keypoints"] for p in found.people] == [
            [10.5, 20, 2, 30, 31, 2],
            [0, 0, 0, 5, 6, 2],
        ]
        assert [i["sequence"] for i in found.images] == ["labeled-data/run"] * 2
        assert (found.images[0]["width"], found.images[0]["height"]) == (80, 40)


def test_deeplabcut_of_several(project):
    (project / "CollectedData_me.csv").write_text(MANY)
    found = read_labels(project / "CollectedData_me.csv")
    assert found.images[0]["file_name"] == "labeled-data/run/img003.png"
    assert [p["track_id"] for p in found.people] == ["m1", "m2", "m2"]
    assert [p["image_id"] for p in found.people] == [1, 1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ONE.replace("bodyparts", "parts"), "lacks the head line 'bodyparts'"),
        (ONE.replace("coords,x,y,x,y", "coords,a,b,c,d"), "no column is 'x'"),
        (ONE.replace("10.5", "ten"), r"line 4: 'ten' is not a number \(snout\)"),
    ],
)
def test_mistakes_in_deeplabcut(project, text, message):
    (project / "CollectedData_me.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_labels(project / "CollectedData_me.csv")


CSV = """track,frame_idx,instance.score,head.x,head.y,head.score,tail.x,tail.y,tail.score
t0,3,0.9,10,20,0.8,,,
t1,3,0.9,40,20,0.8,50,21,1
,12,0.9,1,2,0.5,3,4,0.5
"""


@pytest.fixture
def frames(tmp_path):
    for number in (3, 12, 13):
        picture(tmp_path / f"frames/walk_{number:04d}.jpg")
    return ReadSettings(images=str(tmp_path / "frames"))


def test_sleap_table(tmp_path, frames):
    (tmp_path / "a.csv").write_text(CSV)
    found = read_labels(tmp_path / "a.csv", settings=frames)
    assert found.kind == "sleap"
    assert [i["file_name"] for i in found.images] == ["walk_0003.jpg", "walk_0012.jpg"]
    assert [p["keypoints"] for p in found.people] == [
        [10, 20, 2, 0, 0, 0],
        [40, 20, 2, 50, 21, 2],
        [1, 2, 2, 3, 4, 2],
    ]
    assert [p.get("track_id") for p in found.people] == ["t0", "t1", None]


def test_sleap_labels(tmp_path, frames):
    points = {"0": {"x": 5, "y": 6, "visible": False}, "1": {"x": float("nan"), "y": 1}}
    content = {
        "nodes": [{"name": "head"}, {"name": "tail"}],
        "labels": [{"video": "0", "frame_idx": 13, "_instances": [{"_points": points}]}],
    }
    (tmp_path / "labels.json").write_text(json.dumps(content))
    found = read_labels(tmp_path / "labels.json", settings=frames)
    assert found.people[0]["keypoints"] == [5, 6, 1, 0, 0, 0]
    content["labels"][0]["_instances"][0]["_points"]["7"] = points["0"]
    (tmp_path / "labels.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="not as SLEAP writes labels"):
        read_labels(tmp_path / "labels.json", settings=frames)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CSV.replace(",12,", ",14,"), "frame 14 of the video has 0 pictures"),
        (CSV.replace(",12,", ",x,"), "line 4: 'x' is no number"),
        (CSV.replace(",12,", ",1.5,"), "'frame_idx' must be a whole number"),
    ],
)
def test_mistakes_in_sleap(tmp_path, frames, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_labels(tmp_path / "a.csv", settings=frames)
