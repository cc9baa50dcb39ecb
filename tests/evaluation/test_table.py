import numpy as np
import pytest
from textbook.random_coco import random_coco, varied_coco

from lib.evaluation import table
from lib.utils.errors import DataError

SIGMAS = np.full(5, 0.05)


def test_places_within_cells():
    assert table.ranks(np.array([0, 0, 3, 4, 4, 4])).tolist() == [0, 1, 0, 0, 1, 2]
    assert table.ranks(np.zeros(0, np.int64)).tolist() == []
    order = table.sort_cells(np.array([2, -1, 0, 2, 2]), np.array([0.5, 1.0, 0.2, 0.7, 0.5]), 2)
    assert order.tolist() == [2, 3, 0]  # best first; of equals the earlier


def test_columns_keep_what_the_rows_say():
    dataset, rows = random_coco(1, joints=5, boxes=True)
    found, _ = table.read_table(dataset, rows, SIGMAS)
    for number, row in enumerate(found.found_rows.tolist()):
        assert found.scores[number] == rows[row]["score"]
        assert found.image_ids[found.found_cell[number]] == rows[row]["image_id"]
        points = np.array(rows[row]["keypoints"]).reshape(5, 3)
        np.testing.assert_array_equal(found.found[number], points[:, :2])
        np.testing.assert_array_equal(found.joint_scores[number], points[:, 2])
        assert found.found_areas[number] == rows[row]["bbox"][2] * rows[row]["bbox"][3]
    assert len(found.truth) == len(dataset["annotations"])


def test_images_come_with_their_people():
    dataset, rows, sigmas = varied_coco(7)
    found, _ = table.read_table(dataset, rows, sigmas)
    images = list(found.images())
    assert [image.image_id for image in images[: len(found.image_ids)]] == found.image_ids
    assert sum(len(image.scores) for image in images) == len(found.scores)
    np.testing.assert_array_equal(np.concatenate([i.truth for i in images]), found.truth)


def test_chosen_images():
    dataset, rows = random_coco(1, joints=5)
    found, _ = table.read_table(dataset, rows, SIGMAS)
    chosen = found.image_ids[1:4]
    part = found.select_images(chosen)
    assert part.image_ids == found.image_ids
    assert {part.image_ids[cell] for cell in part.found_cell} <= set(chosen)
    wanted = sum(a["image_id"] in chosen for a in dataset["annotations"])
    assert len(part.truth) == wanted > 0


@pytest.mark.parametrize("value", ["1.5", None, [1.0], True])
def test_a_column_of_anything_but_numbers_is_refused(value):
    rows = [{"bbox": [1.0, 2.0, 3.0, 4.0]}, {"bbox": [1.0, 2.0, 3.0, value]}]
    if value is True:  # JSON's true among numbers counts as 1, as in pycocotools
        assert table.matrix(rows, "bbox", 4)[1, 3] == 1
        return
    with pytest.raises(DataError, match="Result 1"):
        table.matrix(rows, "bbox", 4)


def test_a_ground_truth_of_crowds_alone_has_nobody_to_find():
    """As in pycocotools; in training such a file is the habit of an annotation tool."""
    dataset, rows = random_coco(1, joints=5)
    for annotation in dataset["annotations"]:
        annotation["iscrowd"] = 1
    found, _ = table.read_table(dataset, rows, SIGMAS)
    assert found.crowd.all()
    assert found.ignored.all()
