import numpy as np
import pytest

from lib.annotations.tables import ImageTable, PersonTable
from lib.datasets.negatives import LARGEST_OVERLAP, with_negatives


def table(boxes, owners, sizes=((200, 150), (90, 80), (100, 120))):
    count = len(boxes)
    images = ImageTable(
        folder="",
        files=np.array([b"a", b"b", b"c"]),
        ids=np.array([5, 6, 7]),
        sizes=np.array(sizes, np.int32),
    )
    return PersonTable(
        images=images,
        image_index=np.array(owners, np.int32),
        ids=np.arange(count) + 1,
        boxes=np.array(boxes, np.float32),
        crops=np.full((count, 4), np.nan, np.float32),
        scores=np.ones(count, np.float32),
        keypoints=np.full((count, 2, 2), 9, np.float32),
        visibility=np.full((count, 2), 2, np.uint8),
        areas=np.ones(count, np.float32),
    )


EVERYBODY = table(
    [[10, 10, 50, 60], [100, 20, 40, 50], [0, 0, 85, 75], [20, 20, 30, 30]], [0, 0, 1, 2]
)


def shared(box, other):
    low, high = np.maximum(box[:2], other[:2]), np.minimum(box[:2] + box[2:], other[:2] + other[2:])
    return np.maximum(high - low, 0).prod() / min(box[2:].prod(), other[2:].prod())


def test_negatives_are_apart_from_everybody_and_follow_the_people():
    people = EVERYBODY.select(np.array([0, 2, 3]))  # the second is not trained on, but there
    found = with_negatives(people, EVERYBODY, 4.0, seed=3)
    assert len(found) > len(people) + 3
    assert np.array_equal(found.boxes[:3], people.boxes)
    assert (found.visibility[:3] == 2).all()
    for n in range(3, len(found)):
        own = EVERYBODY.boxes[EVERYBODY.image_index == found.image_index[n]]
        assert max(shared(found.boxes[n], other) for other in own) <= LARGEST_OVERLAP
        size = found.images.sizes[found.image_index[n]]
        assert (found.boxes[n, :2] >= 0).all()
        assert (found.boxes[n, :2] + found.boxes[n, 2:] <= size).all()
    assert not found.visibility[3:].any()
    assert 1 not in found.image_index[3:]  # its only person fills it
    assert (people.visibility == 2).all()  # what was given is as it was


def test_the_same_seed_gives_the_same_places():
    first, again, other = (with_negatives(EVERYBODY, EVERYBODY, 2.0, seed=s) for s in (1, 1, 2))
    assert np.array_equal(first.boxes, again.boxes)
    assert first.boxes.shape != other.boxes.shape or not np.array_equal(first.boxes, other.boxes)


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_no_share_and_no_room_leave_the_people(share):
    full = table([[0, 0, 89, 79]], [1])
    assert len(with_negatives(full, full, share, seed=0)) == 1
