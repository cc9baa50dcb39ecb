"""Which joints are painted and written, on what."""

import numpy as np
import pytest

from lib.structures.skeleton import load_skeleton
from lib.utils.errors import ConfigError
from lib.video.painting import Painter, choose_joints, select_joints

COCO = load_skeleton("coco")


def names(text):
    return [COCO.joints[k] for k in choose_joints(COCO, text)]


def test_joints_by_name_pattern_and_other_spellings():
    assert names("") == list(COCO.joints)
    assert names("RWrist, nose") == ["nose", "right_wrist"]  # in the skeleton's order
    assert names("wrist_l,Left Knee") == ["left_wrist", "left_knee"]
    assert len(names("left_*")) == 8
    assert names("*_ear,LEFT_E?E") == ["left_eye", "left_ear", "right_ear"]


def test_an_unknown_joint_is_named():
    with pytest.raises(ConfigError, match=r"no joint 'nos'.*Did you mean nose"):
        choose_joints(COCO, "left_hip,nos")


def test_a_skeleton_of_some_joints_keeps_what_lies_between_them():
    joints = choose_joints(COCO, "left_hip,right_hip,left_knee,nose")
    part = select_joints(COCO, joints)
    assert part.joints == ("nose", "left_hip", "right_hip", "left_knee")
    assert part.flip_pairs == ((1, 2),)
    assert {frozenset(limb) for limb in part.limbs} == {frozenset((1, 3)), frozenset((1, 2))}
    assert part.sigmas == tuple(COCO.sigmas[k] for k in joints)
    assert select_joints(COCO, range(17)) == COCO


def people():
    points = np.stack([np.linspace(8, 90, 17), np.linspace(5, 60, 17), np.ones(17)], axis=1)
    return [{"keypoints": points, "score": 0.5, "box": np.array([2, 3, 80, 50])}]


def test_joints_that_are_not_wanted_leave_the_picture_alone():
    image = np.full((70, 100, 3), 77, np.uint8)
    whole = Painter(COCO, range(17)).paint(image, people())
    one = Painter(COCO, [16]).paint(image, people())
    assert (whole[:30, :40] != 77).any()
    assert (one[:30, :40] == 77).all()
    np.testing.assert_array_equal(one[60, 90], whole[60, 90])
    assert (one[60, 90] != 77).any()


def test_black_takes_the_picture_away_and_heat_stays():
    image = np.full((70, 100, 3), 77, np.uint8)
    assert not Painter(COCO, range(17), black=True).paint(image, []).any()
    heat = np.zeros((70, 100), np.float32)
    heat[10:20, 30:60] = 1
    tinted = Painter(COCO, range(17), black=True).paint(image, [], heat)
    assert tinted[15, 45].any()
    assert not tinted[40:].any()
