"""Boxes and joints in another unit or by other sides than they should be; crowds with joints."""

import json

import numpy as np
import pytest
from toys.cats import dataset, said

from lib.annotations.detections import read_detections
from lib.annotations.reading import ReadOptions, read_annotations
from lib.utils.errors import DataError


def test_people_near_the_corner_of_their_picture_prove_no_corners():
    content = dataset()
    for n, row in enumerate(content["annotations"]):  # joints fit both readings
        row["bbox"] = [2.0 + n % 3, 3.0, 52.0 + n, 44.0]
        row["keypoints"] = [9.0, 8.0, 2, 40.0 + n, 9.0, 2, 12.0, 40.0, 2, 44.0, 39.0 - n, 2]
    found = read_annotations(content)
    assert found.boxes[1].tolist() == [3.0, 3.0, 53.0, 44.0]
    assert not said(found, "corners")


@pytest.mark.parametrize("sides", [(90, 70), (1, 1)])
def test_joints_as_shares_of_the_picture_are_refused(sides):
    content = dataset()
    for row in content["annotations"]:
        flat = np.reshape(row["keypoints"], (-1, 3)) / [90, 70, 1]
        row["keypoints"] = flat.ravel().tolist()
        row["bbox"] = [2 / sides[0], 3 / sides[1], 50 / sides[0], 40 / sides[1]]
    for options in (ReadOptions(), ReadOptions(for_scores=True)):
        with pytest.raises(DataError, match=r"between 0 and 1.*multiply x by its width"):
            read_annotations(content, options=options)
    content["annotations"][0]["keypoints"][0] = 1.5  # a pixel is there
    assert len(read_annotations(content).people) == 6


def test_crowds_with_joints_are_named():
    content = dataset()
    for row in content["annotations"][1:3]:
        row["iscrowd"] = 1
    found = read_annotations(content)
    assert found.is_crowd.tolist() == [False, True, True, False, False, False]
    assert said(found, "2 crowds ('iscrowd') have joints: they are neither trained on nor scored")
    content["annotations"][1]["keypoints"] = content["annotations"][2]["keypoints"] = [0] * 12
    assert not said(read_annotations(content), "crowds")


def test_detections_as_corners_are_refused(tmp_path):
    found = read_annotations(dataset())
    rows = [
        {"image_id": n + 11, "category_id": 4, "bbox": [40 + n, 30, 80, 69], "score": 0.9}
        for n in range(5)
    ]
    file = tmp_path / "boxes.json"
    file.write_text(json.dumps(rows))
    with pytest.raises(DataError, match="as corners x1, y1, x2, y2 all lie inside"):
        read_detections(file, found.images, 4, 0.0, found.category)
    rows[0]["bbox"] = [40, 30, 30, 20]  # no corners: the others only leave their images
    file.write_text(json.dumps(rows))
    assert len(read_detections(file, found.images, 4, 0.0, found.category)) == 5
