"""Every planted fault is named as what it is, and nothing else is."""

import numpy as np
import pytest

from lib.annotations.tables import ImageTable, PersonTable
from lib.datasets.inspection import inspect_people
from lib.structures.skeleton import load_skeleton

COCO = load_skeleton("coco")
COUNT = 4


@pytest.fixture
def people():
    """Four people in two images of 100 x 80, who face the camera: their left is on the right."""
    rng = np.random.default_rng(1)
    keypoints = rng.uniform(22, 48, (COUNT, 17, 2)).astype(np.float32)
    for left, right in COCO.flip_pairs:
        keypoints[:, left, 0], keypoints[:, right, 0] = 45, 25
    images = ImageTable("", np.array([b"a", b"b"]), np.arange(2), np.array([[100, 80]] * 2))
    return PersonTable(
        images=images,
        image_index=np.array([0, 0, 1, 1]),
        ids=np.arange(COUNT),
        boxes=np.tile(np.array([20, 20, 30, 30], np.float32), (COUNT, 1)),
        crops=np.full((COUNT, 4), np.nan, np.float32),
        scores=np.ones(COUNT, np.float32),
        keypoints=keypoints,
        visibility=np.full((COUNT, 17), 2, np.uint8),
        areas=np.full(COUNT, 500, np.float32),
    )


def found(people):
    return {kind: rows.tolist() for kind, rows in inspect_people(people, COCO).items()}


def test_nothing_is_wrong(people):
    assert found(people) == {}


def test_planted_faults(people):
    people.keypoints[1, 3] = [103, 40]
    assert found(people) == {"joints outside the image": [1], "joints outside their box": [1]}
    people.visibility[1, 3] = 0
    assert found(people) == {}
    people.keypoints[2, 4] = [54, 40]
    assert found(people) == {"joints outside their box": [2]}
    people.keypoints[2, 4] = [52, 40]
    people.areas[3] = 0
    assert found(people) == {"zero area": [3]}
    people.areas[3] = 500
    people.keypoints[3] = people.keypoints[2] + 1
    assert found(people) == {"annotated twice": [3]}
    people.image_index[3] = 0
    assert found(people) == {}


def test_box_outside(people):
    people.boxes[0, :2] = [100, 20]
    assert "box outside the image" in found(people)
    people.boxes[0, :2] = [-30, 20]
    assert "box outside the image" in found(people)
    people.boxes[0, :2] = [-29, 20]
    assert "box outside the image" not in found(people)


def test_left_and_right(people):
    swapped = people.keypoints[0][COCO.flip_index]
    people.keypoints[0] = swapped
    assert found(people) == {"left and right swapped": [0]}
    people.visibility[0, 0] = 0  # seen from behind
    assert found(people) == {}
    assert inspect_people(people, load_skeleton("coco")) == {}
