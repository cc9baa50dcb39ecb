import json
import math

import pytest
from textbook.random_coco import random_coco

from lib.evaluation import coco
from lib.utils.errors import DataError


def test_bad_files_are_named(tmp_path):
    dataset, rows = random_coco(0)
    good = tmp_path / "gt.json"
    good.write_text(json.dumps(dataset))
    with pytest.raises(DataError, match=r"no_such\.json"):
        coco.evaluate_coco(tmp_path / "no_such.json", rows)
    broken = tmp_path / "broken.json"
    broken.write_text(good.read_text()[:-9])
    with pytest.raises(DataError, match=r"broken\.json is not JSON"):
        coco.evaluate_coco(broken, rows)
    with pytest.raises(DataError, match="must hold 'images'"):
        coco.evaluate_coco({}, rows)
    with pytest.raises(DataError, match="'categories' must be a list"):
        coco.evaluate_coco({**dataset, "categories": {}}, rows)
    with pytest.raises(DataError, match="no 'annotations'"):
        coco.evaluate_coco({"images": []}, rows)
    with pytest.raises(DataError, match="no category with 'keypoints'"):
        coco.evaluate_coco({**dataset, "categories": [{"id": 1}], "annotations": []}, rows)
    with pytest.raises(DataError, match="list of objects"):
        coco.evaluate_coco(good, {"annotations": rows})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": [1.0] * 42}, "42 numbers in 'keypoints', wanted 51"),
        ({"image_id": -5}, "image -5, which the ground truth does not have"),
        ({"score": float("nan")}, "score nan"),
        ({"score": "high"}, "score 'high'"),
        ({"score": None}, "Result 4.*score None"),
        ({"keypoints": 7}, "no numbers in 'keypoints', wanted 51"),
        ({"keypoints": [1.0] * 50 + ["x"]}, "must be finite numbers"),
        ({"keypoints": [1.0] * 50 + [float("nan")]}, "must be finite numbers"),
    ],
)
def test_bad_results_are_named(change, message):
    dataset, rows = random_coco(0)
    rows[4] |= change
    with pytest.raises(DataError, match=message):
        coco.evaluate_coco(dataset, rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"area": float("inf")}, "'area' of annotation 2 must be a finite number"),
        ({"bbox": [1, 2, 3]}, "'bbox' of annotation 2 must be four numbers"),
        ({"bbox": [1, 2, 3, float("inf")]}, "of annotation 2 must be finite"),
        ({"keypoints": ["x"] * 51}, "'keypoints' of annotation 2 must list numbers"),
    ],
)
def test_bad_ground_truth_is_named(change, message):
    dataset, rows = random_coco(0)
    dataset["annotations"][1] |= change
    with pytest.raises(DataError, match=message):
        coco.evaluate_coco(dataset, rows)


def test_a_result_without_a_key_and_an_annotation_with_too_few_joints():
    dataset, rows = random_coco(0)
    del rows[2]["category_id"]
    with pytest.raises(DataError, match="Result 2 has no 'category_id'"):
        coco.evaluate_coco(dataset, rows)
    dataset["annotations"][1]["keypoints"] = [1, 2, 2]
    with pytest.raises(DataError, match="annotation 2 has 1 joints"):
        coco.evaluate_coco(dataset, [])


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["annotations"][1].update(bbox=[1, 2, 3]), "'bbox' of annotation"),
        (lambda d: d["annotations"][1].update(bbox=[1, 2, math.nan, 4]), "must be finite"),
        (lambda d: d["annotations"][1].update(area=math.nan), "finite number 'area'"),
        (lambda d: d["annotations"][1].pop("image_id"), "not listed in 'images'"),
        (lambda d: d["annotations"][1].pop("category_id"), "'category_id'"),
        (lambda d: d["annotations"].append(3), "'annotations' must be a list of entries"),
        (lambda d: d["images"].append({}), "'id'"),
        (lambda d: d["categories"].append({}), "'id'"),
        (lambda d: d.pop("categories"), "has no list 'categories'"),
    ],
)
def test_the_ground_truth_of_boxes_is_checked_as_that_of_poses(change, message, iou_type):
    dataset, _ = random_coco(0)
    change(dataset)
    with pytest.raises(DataError, match=message):
        coco.evaluate_coco_boxes(dataset, [], iou_type=iou_type)
