import numpy as np
import pytest

from lib.structures import drawing
from lib.structures.skeleton import load_skeleton, skeleton_from_dict
from lib.utils.errors import ConfigError

COCO = load_skeleton("coco")
TOY = skeleton_from_dict({"name": "toy", "joints": ["a", "b"], "limbs": [[0, 1]]}, "toy")


def test_joints_and_limbs_land_where_they_belong():
    blank = np.zeros((60, 90, 3), np.uint8)
    points = np.array([[[10, 20], [70, 20]]], np.float32)
    painted = drawing.draw_poses(blank, points, None, TOY, width=1)
    assert not blank.any()
    assert painted[20, 10].any()
    assert painted[20, 70].any()
    assert painted[20, 40].any()  # the limb between them
    assert not painted[26:].any()
    assert not painted[:15].any()


def test_joints_below_the_threshold_and_not_finite_are_left_out():
    blank = np.zeros((60, 90, 3), np.uint8)
    points = np.array([[[10, 20], [70, 20]]], np.float32)
    scores = np.array([[0.9, 0.1]])
    painted = drawing.draw_poses(blank, points, scores, TOY)
    assert painted[20, 10].any()
    assert not painted[:, 20:].any()
    points[0, 0] = np.nan
    assert not drawing.draw_poses(blank, points, scores, TOY, labels=["x"]).any()


@pytest.mark.parametrize("name", drawing.PALETTES)
@pytest.mark.parametrize("skeleton", ["coco", "mpii", "crowdpose"])
def test_palettes_cover_every_skeleton(name, skeleton):
    known = load_skeleton(skeleton)
    joints, limbs = drawing.skeleton_colors(known, name)
    assert len(joints) == known.num_joints
    assert len(limbs) == len(known.limbs)
    assert all(type(v) is int and 0 <= v <= 255 for color in joints + limbs for v in color)
    left, right = known.flip_pairs[-1]
    assert joints[left] != joints[right]


def test_parts_by_name():
    joints, limbs = drawing.skeleton_colors(COCO, "safe")
    parts = {part: rgb[::-1] for part, rgb in drawing.PART_COLORS["safe"].items()}
    named = dict(zip(COCO.joints, joints, strict=True))
    assert named["left_ear"] == parts["face"]
    assert named["left_wrist"] == parts["left_arm"]
    assert named["right_hip"] == parts["right_leg"]
    limb = dict(zip(COCO.limbs, limbs, strict=True))
    assert limb[(5, 11)] == limb[(11, 12)] == limb[(5, 6)] == parts["torso"]
    assert limb[(7, 9)] == parts["left_arm"]
    mpii, _ = drawing.skeleton_colors(load_skeleton("mpii"), "safe")
    assert mpii[9] == parts["torso"]  # head_top is no ear


def test_unknown_names_get_different_colors():
    nine = skeleton_from_dict({"name": "bird", "joints": list("abcdefghi")}, "bird")
    joints, _ = drawing.skeleton_colors(nine, "coco")
    assert len(set(joints)) == 9


def test_unknown_palette_and_wrong_shape():
    with pytest.raises(ConfigError, match="Did you mean safe"):
        drawing.skeleton_colors(COCO, "saef")
    with pytest.raises(ValueError, match=r"\(N, 17, 2\)"):
        drawing.draw_poses(np.zeros((5, 5, 3), np.uint8), np.zeros((1, 3, 2)), None, COCO)


def test_far_points_boxes_and_labels_never_fail():
    blank = np.zeros((40, 50, 3), np.uint8)
    points = np.array([[[-1e30, 5], [1e30, 5]], [[3, 3], [4, 1e9]]])
    boxes = np.array([[-1e9, 0, 20, np.nan], [-10, -10, 500, 500]])
    painted = drawing.draw_poses(blank, points, None, TOY, boxes=boxes, labels=["a" * 99, "b"])
    assert painted.shape == blank.shape
    assert painted.any()
    assert not drawing.draw_poses(blank, points[:0], None, TOY).any()


def test_line_width_follows_picture_and_person():
    person = np.array([[0, 0], [300, 900]])
    assert drawing.line_width((480, 640, 3), person) == 3
    assert drawing.line_width((1080, 1920, 3), person) == 9
    assert drawing.line_width((1080, 1920, 3), np.array([[0, 0], [10, 30]])) == 1
    assert drawing.line_width((10, 10, 3), np.zeros((0, 2))) == 1


def test_heatmaps_tint_only_where_they_are_high():
    image = np.full((40, 30, 3), 100, np.uint8)
    heatmaps = np.zeros((2, 10, 15), np.float32)
    heatmaps[1, 5, 3] = 1
    tinted = drawing.overlay_heatmaps(image, heatmaps)
    changed = np.argwhere((tinted != image).any(axis=2))
    assert 18 <= changed[:, 0].min() <= changed[:, 0].max() <= 26
    assert changed[:, 1].max() <= 9
    assert (drawing.overlay_heatmaps(image, heatmaps * 0 - 3) == image).all()


def test_panels_stand_side_by_side():
    panels = [np.zeros((40, 30, 3), np.uint8), np.full((40, 20, 3), 7, np.uint8)]
    joined = drawing.join_panels(panels, ["a", "b"])
    assert joined.shape == (40, 54, 3)
    assert (joined[30:, 34:] == 7).all()
