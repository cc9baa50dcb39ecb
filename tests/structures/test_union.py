import numpy as np
import pytest

from lib.structures.skeleton import load_skeleton, skeleton_from_dict
from lib.structures.union import joint_name, joint_places, union_skeleton
from lib.utils.errors import ConfigError

COCO, MPII, CROWD = (load_skeleton(name) for name in ("coco", "mpii", "crowdpose"))
NAMES = "right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow "
NAMES += "right_shoulder left_shoulder left_elbow left_wrist neck head_top"
LSP = skeleton_from_dict({"name": "lsp", "joints": NAMES.split()}, "lsp")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("left_hip", "left_hip"),
        ("LeftHip", "left_hip"),
        ("LHip", "left_hip"),
        ("l_hip", "left_hip"),
        ("hip_left", "left_hip"),
        ("Left Hip", "left_hip"),
        ("r-big-toe", "right_big_toe"),
        ("nose", "nose"),
        ("Head-Top", "head_top"),
        ("top_head", "head_top"),
        ("MidHip", "pelvis"),
        ("neck", "neck"),
        ("left", "left"),
        ("lip", "lip"),
        ("L.Hip", "left_hip"),
        ("lHip", "left_hip"),
        ("RT knee", "right_knee"),
    ],
)
def test_spellings(name, wanted):
    assert joint_name(name) == wanted


def test_four_data_sets_have_23_joints():
    union = union_skeleton([(COCO, {}), (MPII, {}), (LSP, {}), (CROWD, {})])
    added = ("pelvis", "thorax", "upper_neck", "head_top", "neck", "head")
    assert union.joints == (*COCO.joints, *added)
    for side in (COCO, MPII, LSP, CROWD):
        places = joint_places(side, union, {})
        assert [union.joints[k] for k in places] == list(side.joints)
    assert all(union.joints[b] == swap(union.joints[a]) for a, b in enumerate(union.flip_index))
    assert union.sigmas[:17] == COCO.sigmas
    assert union.sigmas[22] == CROWD.sigmas[12]
    assert len(union.sigmas) == len(union.joint_weights) == 23
    assert sorted(union.grouping_order) == list(range(23))


def swap(name):
    side = {"left": "right", "right": "left"}
    first, _, rest = name.partition("_")
    return f"{side[first]}_{rest}" if first in side else name


def test_the_first_skeleton_says_what_is_above_the_hips():
    union = union_skeleton([(COCO, {}), (LSP, {})])
    lower = set(range(union.num_joints)) - set(union.upper_body)
    assert {union.joints[k] for k in lower} == {
        f"{side}_{part}" for side in ("left", "right") for part in ("hip", "knee", "ankle")
    }


def test_renames_join_and_tell_apart():
    hips = {"right_hip": "RHipBone", "left_hip": "left_hip_bone"}
    union = union_skeleton([(MPII, {}), (LSP, {"neck": "upper_neck", **hips})])
    assert union.joints == (*MPII.joints, "right_hip_bone", "left_hip_bone")
    assert (16, 17) in union.flip_pairs
    places = joint_places(LSP, union, {"neck": "UpperNeck", **hips})
    assert union.joints[places[12]] == "upper_neck"
    assert places[2] == 16


def test_absent_joints_have_no_place():
    np.testing.assert_array_equal(joint_places(LSP, COCO, {})[12:], [-1, -1])


def test_wrong_renames_are_named():
    with pytest.raises(ConfigError, match=r"lsp has no joint neckk.*mean neck"):
        union_skeleton([(LSP, {"neckk": "upper_neck"})])
    with pytest.raises(ConfigError, match="several joints of the name head_top"):
        union_skeleton([(LSP, {"neck": "head_top"})])


def test_sets_that_disagree_about_mirror_images_are_refused():
    hand = skeleton_from_dict({"joints": ["LWrist", "RWrist", "Nase"]}, "own")
    with pytest.raises(ConfigError, match="pair right_wrist with left_wrist and with left_ankle"):
        union_skeleton([(COCO, {}), (hand, {"LWrist": "left_ankle"})])
    swapped = {"LWrist": "right_wrist", "RWrist": "left_wrist"}  # the annotator's left
    assert union_skeleton([(COCO, {}), (hand, swapped)]).flip_pairs == COCO.flip_pairs


def test_sides_that_come_from_different_sets_mirror_each_other():
    left, right = (skeleton_from_dict({"joints": [f"{s}_hand", "nose"]}, s) for s in ("l", "r"))
    union = union_skeleton([(left, {}), (right, {})])
    assert union.joints == ("left_hand", "nose", "right_hand")
    np.testing.assert_array_equal(union.flip_index, [2, 1, 0])
    alone = {"joints": ["left_hand", "right_hand"], "flip_pairs": []}  # as somebody wants it
    assert union_skeleton([(skeleton_from_dict(alone, "own"), {})]).flip_pairs == ()
