"""Frames and people as they are written."""

import json

import numpy as np

from lib.structures.results import PoseResult
from lib.structures.skeleton import load_skeleton
from lib.video.painting import Painter
from lib.video.records import ListFile
from lib.video.sources import Frame
from lib.video.stream import FramePeople
from lib.video.writing import FrameWriter, Steady

COCO = load_skeleton("coco")


def test_who_scores_too_little_is_left_out_with_their_box(tmp_path):
    people = [
        PoseResult(
            image_id=0,
            keypoints=np.full((17, 2), 10.0 * n, np.float32),
            keypoint_scores=np.ones(17, np.float32),
            score=score,
            box=np.array([n, 2, 3, 4], np.float32),
        )
        for n, score in enumerate([0.05, 0.5, 0.01, 0.7])
    ]
    frame = Frame(np.zeros((20, 30, 3), np.uint8), "7.png", 0)
    with ListFile(tmp_path / "p.json") as file, ListFile(tmp_path / "c.json") as coco:
        writer = FrameWriter(
            file,
            Painter(COCO, [0, 16]),
            Steady(COCO, 25.0, track=True, smooth=False),
            coco,
            category=4,
        )
        writer.add(FramePeople(frame, people, [0.1, 0.2, 0.3, 0.4]))
    (written,) = json.loads((tmp_path / "p.json").read_text())
    assert writer.people == len(written["people"]) == 2
    assert writer.unsure == 2
    assert [person["box_score"] for person in written["people"]] == [0.2, 0.4]
    assert [person["box"][0] for person in written["people"]] == [1, 3]
    assert [person["track"] for person in written["people"]] == [1, 2]
    assert written["people"][1]["keypoints"] == [[30, 30, 1]] * 2
    rows = json.loads((tmp_path / "c.json").read_text())
    assert [(row["image_id"], row["category_id"], len(row["keypoints"])) for row in rows] == [
        (7, 4, 51)
    ] * 2
