from dataclasses import replace

import numpy as np
import pytest

from lib.datasets.synthetic.body import Build, pose_body, rotation
from lib.datasets.synthetic.canvas import Canvas
from lib.datasets.synthetic.figure import figure_solids, paint_figure
from lib.datasets.synthetic.head import PUPIL
from lib.datasets.synthetic.outfit import Garment, Outfit, sample_outfit
from lib.datasets.synthetic.poses import LIMB, TRUNK, Pose, sample_pose
from lib.datasets.synthetic.solids import PART, PARTS, View

AVERAGE = Build(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
CLOTH = Garment((90, 140, 60), None, 1.0, 0.0)
PLAIN = Outfit(
    (170, 190, 230), (40, 60, 90), "short", CLOTH, CLOTH, 0.0, (60, 60, 60), None, None, None, False
)


def arms_away(yaw=0.0, stature=400.0, outfit=PLAIN, centre=(219.4, 251.7)):
    """Paint someone who stands with spread arms; return the canvas and the view."""
    left, right = dict.fromkeys(LIMB, 0.0), dict.fromkeys(LIMB, 0.0)
    for limb in (left, right):
        limb.update(shoulder_spread=50.0, hip_spread=12.0)
    pose = Pose("stand", dict.fromkeys(TRUNK, 0.0), left, right)
    view = View(pose_body(AVERAGE, pose, rotation(0.0, 0.0, yaw)), centre, stature, 0.0)
    canvas = Canvas(np.full((503, 461, 3), 128, np.uint8))
    paint_figure(canvas, view, outfit, 33, (0.0, -1.0))
    return canvas, view


def centroid(weights):
    rows, columns = np.mgrid[: weights.shape[0], : weights.shape[1]]
    return np.array([(columns * weights).sum(), (rows * weights).sum()]) / weights.sum()


@pytest.mark.parametrize("joint", ["left_eye", "right_eye"])
def test_a_pupil_is_painted_where_the_annotation_puts_the_eye(joint):
    canvas, view = arms_away(stature=1400.0, centre=(219.4, 851.7))
    x, y = view.pixel(joint)
    left, top = int(x) - 12, int(y) - 12
    window = canvas.image[top : top + 25, left : left + 25].astype(float)
    pupil = (np.abs(window - PUPIL).sum(axis=-1) < 60).astype(float)
    np.testing.assert_allclose(centroid(pupil), (x - left, y - top), atol=0.25)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_seams_of_the_parts_lie_on_the_joints(side):
    canvas, view = arms_away()
    for joint, upper, lower in (
        ("elbow", "upper_arm", "forearm"),
        ("wrist", "forearm", "hand"),
        ("knee", "thigh", "shin"),
    ):
        column, row = np.rint(view.pixel(f"{side}_{joint}")).astype(int)
        around = canvas.labels[row - 22 : row + 23, column - 22 : column + 23]
        parts = {PARTS[label - 33] for label in np.unique(around) if label}
        assert {f"{side}_{upper}", f"{side}_{lower}"} <= parts


def test_labels_of_a_person_are_consecutive_and_all_parts_show():
    canvas, _ = arms_away()
    shown = {PARTS[label - 33] for label in np.unique(canvas.labels) if label}
    assert shown == set(PARTS) - {"hat", "bag", "skirt"}


def test_front_and_back_look_different():
    front, _ = arms_away(0.0)
    back, _ = arms_away(180.0)
    head = PART["head"] + 33
    assert (front.labels == head).sum() > 1.5 * (back.labels == head).sum()


def test_a_backpack_is_seen_from_behind_only():
    outfit = replace(PLAIN, bag=(20, 20, 180))
    label = PART["bag"] + 33
    assert (arms_away(180.0, outfit=outfit)[0].labels == label).sum() > 2000
    assert (arms_away(0.0, outfit=outfit)[0].labels == label).sum() == 0


def test_near_limbs_cover_far_ones():
    _, view = arms_away(90.0)  # the right side is nearer
    depth = {solid.part: solid.depth for solid in figure_solids(view, PLAIN)}
    for part in ("upper_arm", "thigh", "foot"):
        assert depth[f"right_{part}"] > depth[f"left_{part}"]
    assert depth["right_upper_arm"] > depth["torso"] > depth["left_upper_arm"]


def test_every_outfit_in_every_pose_can_be_painted():
    rng = np.random.default_rng(4)
    for _ in range(25):
        body = pose_body(AVERAGE, sample_pose(rng), rotation(*rng.uniform(-180, 180, 3)))
        canvas = Canvas(np.zeros((47, 61, 3), np.uint8))
        view = View(body, (30.0, 24.0), float(rng.uniform(5, 300)), 0.3)
        paint_figure(canvas, view, sample_outfit(rng, (99, 99, 99)), 1, (1.0, 0.0))
        assert canvas.labels.max() <= len(PARTS)
