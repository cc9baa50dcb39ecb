import pytest

from lib.evaluation import coco_files
from lib.utils.errors import DataError


def test_originals_stay_as_they_are_and_gaps_are_filled():
    row = {"image_id": 3, "category_id": 1, "bbox": [0, 0, 20, 10], "keypoints": [1, 2, 1, 0, 0, 0]}
    before = dict(row)
    (full,) = coco_files.complete_poses([row], 2)
    assert row == before
    assert (full["id"], full["iscrowd"], full["num_keypoints"]) == (1, 0, 1)
    assert full["area"] == pytest.approx(106)
    (empty,) = coco_files.complete_poses([{**row, "keypoints": None, "area": 5}], 2)
    assert (empty["keypoints"], empty["num_keypoints"], empty["area"]) == ([0] * 6, 0, 5)


@pytest.mark.parametrize("key", ["bbox", "image_id", "category_id"])
def test_a_missing_key_is_named(key):
    row = {"id": 8, "image_id": 3, "category_id": 1, "bbox": [0, 0, 2, 1], "keypoints": [0] * 6}
    del row[key]
    with pytest.raises(DataError, match=f"Annotation 8 has no '{key}'"):
        coco_files.complete_poses([row], 2)


def test_unnamed_joints_are_known_by_their_count():
    for count, name in ((17, "coco"), (14, "crowdpose")):
        dataset = {"categories": [{"id": 1}], "annotations": [{"keypoints": [0] * 3 * count}]}
        assert coco_files.pose_skeleton(dataset).name == name
    dataset["annotations"].append({"keypoints": [0] * 6})
    with pytest.raises(DataError, match="no names"):
        coco_files.pose_skeleton(dataset)
