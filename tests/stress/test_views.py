import re
from dataclasses import replace

import numpy as np
import pytest

from lib.stress.views import choose_joints
from lib.structures.results import PoseResult
from lib.structures.skeleton import load_skeleton
from lib.structures.union import union_skeleton
from lib.utils.errors import DataError

COCO, MPII = load_skeleton("coco"), load_skeleton("mpii")
BOTH = union_skeleton([(MPII, {}), (COCO, {})])


def found(images, boxes):
    """One person per picture; the place of a joint says which it is."""
    places = np.arange(BOTH.num_joints)
    joints = np.stack([places, places + 100], axis=1).astype(np.float32)
    box = np.zeros(4, np.float32)
    person = PoseResult(joints, places / 50, score=0.5, box=box, image_id=0)
    return [[person] for _ in images]


@pytest.mark.parametrize("skeleton", [COCO, MPII])
def test_a_model_of_more_joints_gives_those_of_the_data(skeleton):
    ((person,), _) = choose_joints(found, skeleton, BOTH, "data")([0, 0], None)
    names = [BOTH.joints[int(x)] for x in person.keypoints[:, 0]]
    assert names == list(skeleton.joints)
    assert person.keypoint_scores == pytest.approx(person.keypoints[:, 0] / 50)
    assert person.score == 0.5


def test_the_same_joints_stay():
    assert choose_joints(found, BOTH, replace(BOTH, name="other"), "data") is found


def test_joints_that_the_model_does_not_find_are_named():
    sentence = "file.json has the joints pelvis, thorax, upper_neck, head_top, which"
    with pytest.raises(DataError, match=re.escape(sentence)):
        choose_joints(found, MPII, COCO, "file.json")
