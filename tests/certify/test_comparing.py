import numpy as np
import pytest

from lib.certify.comparing import (
    JOINT_TOLERANCE,
    SCORE_TOLERANCE,
    differing,
    poses_by_image,
    same_poses,
)


def rows(*numbers, image=3):
    return [
        {"image_id": image, "keypoints": [x, 5.0, 0.5, 7.0, 9.0, 0.25], "score": score}
        for x, score in numbers
    ]


def poses(*numbers):
    return poses_by_image(rows(*numbers))[3]


def test_rounding_is_the_same_and_more_is_not():
    base = poses((100.0, 0.7), (200.0, 0.7))
    assert same_poses(base, poses((200.0, 0.7), (100.0, 0.7)))  # the order does not matter
    assert same_poses(base, poses((100 + 0.9 * JOINT_TOLERANCE, 0.7), (200.0, 0.7)))
    assert not same_poses(base, poses((100 + 1.1 * JOINT_TOLERANCE, 0.7), (200.0, 0.7)))
    assert same_poses(base, poses((100.0, 0.7 + 0.9 * SCORE_TOLERANCE), (200.0, 0.7)))
    assert not same_poses(base, poses((100.0, 0.7 + 1.1 * SCORE_TOLERANCE), (200.0, 0.7)))
    large = poses((100.0, 70.0)), poses((100.0, 70 * (1 + 0.9 * SCORE_TOLERANCE)))
    assert same_poses(*large)  # a share of scores above 1


@pytest.mark.parametrize("index", range(7))
def test_every_number_counts(index):
    base = poses((100.0, 0.7))
    other = base.copy()
    other[0, index] += 0.1
    assert not same_poses(base, other)


def test_number_of_poses():
    one, two = poses((100.0, 0.7)), poses((100.0, 0.7), (100.0, 0.7))
    assert not same_poses(one, two)
    assert same_poses(two, two.copy())
    assert same_poses(None, None)
    assert not same_poses(one, None)
    assert not same_poses(None, one)
    assert not same_poses(two, poses((100.0, 0.7), (300.0, 0.7)))


def test_images_are_compared_each_with_itself():
    claimed = poses_by_image(rows((1.0, 0.5), image=3) + rows((2.0, 0.5), image=4))
    found = poses_by_image(rows((1.0, 0.5), image=3) + rows((1.0, 0.5), image=5))
    assert differing([3, 4, 5, 6], claimed, found) == [4, 5]
    assert np.asarray(claimed[4]).shape == (1, 7)
