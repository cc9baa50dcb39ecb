import copy

import numpy as np
import pytest
from textbook.random_coco import random_coco

from lib.evaluation.metrics import METRICS, read_subject
from lib.utils.errors import DataError


def numbers(name, content, rows):
    return METRICS[name].score(read_subject(name, content, rows, tuple(np.full(17, 0.06))))


def inside(seed=4):
    """Random people and finds wholly within pictures of 2000 pixels, all joint scores positive."""
    dataset, rows = random_coco(seed, images=12)
    for image in dataset["images"]:
        image["width"] = image["height"] = 2000
    for entry in (*dataset["annotations"], *rows):
        points = np.array(entry["keypoints"]).reshape(-1, 3)
        points[:, :2] += 500
        entry["keypoints"] = points.ravel().tolist()
    for annotation in dataset["annotations"]:
        annotation["bbox"][0] += 500
        annotation["bbox"][1] += 500
    for row in rows:
        row["keypoints"][2::3] = [max(v, 0.01) for v in row["keypoints"][2::3]]
    dataset["annotations"] = [a for a in dataset["annotations"] if a["num_keypoints"]]
    return dataset, rows


def test_it_is_oks_where_everything_is_inside():
    dataset, rows = inside()
    wanted = numbers("coco", dataset, rows)
    assert numbers("exoks", dataset, rows) == pytest.approx(wanted, abs=1e-9, nan_ok=True)
    assert wanted["AP"] > 0


def test_joints_out_of_view():
    points = np.column_stack([np.linspace(100, 180, 17), np.linspace(100, 180, 17)])
    points[16] = (150, 260)  # below a picture of 200 pixels
    triples = np.column_stack([points, np.full(17, 2.0)]).ravel().tolist()
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [100, 100, 80, 160]}
    annotation |= {"area": 6400.0, "iscrowd": 0, "num_keypoints": 17, "keypoints": triples}
    names = [f"j{k}" for k in range(17)]
    dataset = {
        "images": [{"id": 1, "width": 200, "height": 200}],
        "categories": [{"id": 1, "name": "person", "keypoints": names}],
        "annotations": [annotation],
    }
    row = {"image_id": 1, "category_id": 1, "score": 1.0, "keypoints": list(triples)}
    elsewhere = copy.deepcopy(row)
    elsewhere["keypoints"][48:50] = [-900.0, 50.0]  # outside, somewhere else
    silent = copy.deepcopy(row)
    silent["keypoints"][48:] = [150.0, 20.0, 0.0]  # inside, but its score says it is not there
    wrong = copy.deepcopy(row)
    wrong["keypoints"][48:50] = [100.0, 100.0]  # inside, far from the border
    border = copy.deepcopy(row)
    border["keypoints"][48:50] = [150.0, 199.0]  # inside, on the border
    for good in (row, elsewhere, silent, border):
        assert numbers("exoks", dataset, [good])["AP"] == pytest.approx(1.0)
    assert numbers("exoks", dataset, [wrong])["AP"] == pytest.approx(0.9)  # 16 of 17: not at .95


def test_a_picture_without_size_is_named():
    dataset, rows = inside()
    for image in dataset["images"]:
        del image["width"]
    with pytest.raises(DataError, match="Image 11 has no 'width'"):
        numbers("exoks", dataset, rows)
