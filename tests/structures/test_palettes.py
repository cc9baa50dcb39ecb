"""Every palette colours every skeleton, left unlike right."""

import pytest

from lib.structures import palettes
from lib.structures.skeleton import load_skeleton, skeleton_from_dict
from lib.utils.errors import ConfigError

COCO = load_skeleton("coco")


@pytest.mark.parametrize("name", palettes.PALETTES)
@pytest.mark.parametrize("skeleton", ["coco", "mpii", "crowdpose"])
def test_palettes_cover_every_skeleton(name, skeleton):
    known = load_skeleton(skeleton)
    joints, limbs = palettes.skeleton_colors(known, name)
    assert len(joints) == known.num_joints
    assert len(limbs) == len(known.limbs)
    assert all(type(v) is int and 0 <= v <= 255 for color in joints + limbs for v in color)
    left, right = known.flip_pairs[-1]
    assert joints[left] != joints[right]


def test_parts_by_name():
    joints, limbs = palettes.skeleton_colors(COCO, "safe")
    parts = {part: rgb[::-1] for part, rgb in palettes.PART_COLORS["safe"].items()}
    named = dict(zip(COCO.joints, joints, strict=True))
    assert named["left_ear"] == parts["face"]
    assert named["left_wrist"] == parts["left_arm"]
    assert named["right_hip"] == parts["right_leg"]
    limb = dict(zip(COCO.limbs, limbs, strict=True))
    assert limb[(5, 11)] == limb[(11, 12)] == limb[(5, 6)] == parts["torso"]
    assert limb[(7, 9)] == parts["left_arm"]
    mpii, _ = palettes.skeleton_colors(load_skeleton("mpii"), "safe")
    assert mpii[9] == parts["torso"]  # head_top is no ear


def test_unknown_names_get_different_colors():
    nine = skeleton_from_dict({"name": "bird", "joints": list("abcdefghi")}, "bird")
    joints, _ = palettes.skeleton_colors(nine, "coco")
    assert len(set(joints)) == 9


def test_unknown_palette():
    with pytest.raises(ConfigError, match="Did you mean safe"):
        palettes.skeleton_colors(COCO, "saef")
