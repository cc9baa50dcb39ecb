import numpy as np
import pytest

from lib.structures import drawing
from lib.structures.skeleton import load_skeleton, skeleton_from_dict

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


def test_wrong_shape():
    with pytest.raises(ValueError, match=r"\(N, 17, 2\)"):
        drawing.draw_poses(np.zeros((5, 5, 3), np.uint8), np.zeros((1, 3, 2)), None, COCO)


def test_unsure_joints_are_faint_where_that_is_asked_for():
    blank = np.zeros((60, 90, 3), np.uint8)
    points = np.array([[[10, 20], [70, 20]], [[10, 45], [70, 45]]], np.float32)
    scores = np.array([[1.0, 1.0], [1.0, 0.4]])
    plain = drawing.draw_poses(blank, points, scores, TOY, threshold=0.1, width=3)
    faint = drawing.draw_poses(blank, points, scores, TOY, threshold=0.1, width=3, fade=True)
    assert (faint[:30] == plain[:30]).all()  # sure of everything
    share = drawing.FAINTEST + 0.4 * (1 - drawing.FAINTEST)
    limb = plain[45, 40].astype(float)  # as faint as the weaker of its ends
    np.testing.assert_allclose(faint[45, 40], share * limb, atol=1)
    assert 0 < faint[45, 70].max() < plain[45, 70].max()
    np.testing.assert_array_equal(faint[45, 10], plain[45, 10])
    points[1, 1] = (1e9, -1e9)  # far out, and nothing fails
    drawing.draw_poses(blank, points, scores, TOY, threshold=0.1, fade=True)


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
