import numpy as np
import pytest

from lib.annotations.tables import ImageTable, PersonTable
from lib.datasets.mix import exact_shares, join_sets, place_joints
from lib.structures.skeleton import skeleton_from_dict

OWN = skeleton_from_dict({"joints": ["l_hand", "tail", "nose"]}, "own")
TARGET = skeleton_from_dict({"joints": ["nose", "mouth", "left_hand", "right_hand"]}, "target")


def table(count, images, folder, joints=3, seed=0):
    rng = np.random.default_rng(seed)
    names = np.array([f"{n:03d}.jpg".encode() for n in range(images)], np.bytes_)
    return PersonTable(
        images=ImageTable(folder, names, np.arange(images), np.full((images, 2), 50, np.int32)),
        image_index=np.sort(rng.integers(0, images, count)).astype(np.int32),
        ids=np.arange(count),
        boxes=rng.random((count, 4)).astype(np.float32),
        crops=np.full((count, 4), np.nan, np.float32),
        scores=np.ones(count, np.float32),
        keypoints=rng.random((count, joints, 2)).astype(np.float32),
        visibility=rng.integers(0, 3, (count, joints)).astype(np.uint8),
        areas=np.ones(count, np.float32),
    )


def test_joints_go_to_their_places_and_the_rest_is_not_labelled():
    people = table(5, 2, "a/")
    placed = place_joints(people, OWN, TARGET, {})
    np.testing.assert_array_equal(placed.visibility[:, [2, 0]], people.visibility[:, [0, 2]])
    np.testing.assert_array_equal(placed.keypoints[:, [2, 0]], people.keypoints[:, [0, 2]])
    assert not placed.visibility[:, [1, 3]].any()
    assert not placed.keypoints[:, [1, 3]].any()
    renamed = place_joints(people, OWN, TARGET, {"tail": "mouth"})
    np.testing.assert_array_equal(renamed.visibility[:, 1], people.visibility[:, 1])
    assert place_joints(people, OWN, OWN, {}) is people


def test_joined_sets_keep_their_images():
    parts = [table(5, 2, "a/"), table(3, 4, "longer.zip@", seed=1), table(2, 1, "b/", seed=2)]
    joined = join_sets(parts)
    assert len(joined) == 10
    paths = [part.image_path(row) for part in parts for row in range(len(part))]
    assert [joined.image_path(row) for row in range(10)] == paths
    np.testing.assert_array_equal(joined.boxes, np.concatenate([part.boxes for part in parts]))
    assert joined.image_index.dtype == np.int32
    assert join_sets(parts[:1]) is parts[0]


@pytest.mark.parametrize(
    ("sizes", "weights", "counts"),
    [
        ([7, 5, 2], [0, 0, 0], [7, 5, 2]),
        ([70, 20, 10], [1, 1, 2], [25, 25, 50]),
        ([7, 2, 1], [1, 1, 1], [4, 3, 3]),
        ([2, 1, 4], [0.7, 0.2, 0.1], [5, 1, 1]),
        ([30, 10], [1e308, 1e308], [20, 20]),
        ([30, 10], [3e-320, 1e-320], [30, 10]),
    ],
)
def test_shares_are_whole_numbers_of_the_epoch(sizes, weights, counts):
    found = exact_shares(sizes, weights)
    assert found == list(zip(sizes, counts, strict=True))
    assert sum(counts) == sum(sizes)
