import numpy as np
import pytest

from lib.datasets.synthetic.body import (
    POINT,
    POINTS,
    Build,
    pose_body,
    project,
    rotation,
    sample_build,
)
from lib.datasets.synthetic.poses import LIMB, TRUNK, Pose, sample_pose
from lib.structures.skeleton import load_skeleton

AVERAGE = Build(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
FRONT = np.eye(3)


def stand(**limbs):
    """Stand upright; ``left_elbow=90`` bends one joint."""
    pose = Pose(
        "stand", dict.fromkeys(TRUNK, 0.0), dict.fromkeys(LIMB, 0.0), dict.fromkeys(LIMB, 0.0)
    )
    for name, angle in limbs.items():
        side, _, joint = name.partition("_")
        {"left": pose.left, "right": pose.right, "trunk": pose.trunk}[side][joint] = angle
    return pose


def point(body, name):
    return body.points[POINT[name]]


def test_the_first_rows_are_the_joints_of_coco():
    assert POINTS[:17] == load_skeleton("coco").joints


def test_who_faces_the_viewer_has_the_left_side_on_the_right_of_the_image():
    body = pose_body(AVERAGE, stand(), FRONT)
    for joint in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        left, right = point(body, f"left_{joint}"), point(body, f"right_{joint}")
        assert left[0] > 0 > right[0]
        np.testing.assert_allclose(left * (-1, 1, 1), right, atol=1e-12)
    height = point(body, "head_top")[1] - point(body, "left_toe")[1]
    assert height == pytest.approx(1.0, abs=0.03)
    assert point(body, "nose")[2] > point(body, "head")[2]


def test_turning_round_swaps_the_sides():
    body = pose_body(AVERAGE, stand(), rotation(0.0, 0.0, 180.0))
    assert point(body, "left_shoulder")[0] < 0 < point(body, "right_shoulder")[0]
    assert point(body, "nose")[2] < point(body, "head")[2]


@pytest.mark.parametrize("side", ["left", "right"])
def test_joints_bend_the_human_way(side):
    sign = 1.0 if side == "left" else -1.0
    elbow = pose_body(AVERAGE, stand(**{f"{side}_elbow": 90.0}), FRONT)
    assert point(elbow, f"{side}_wrist")[2] > point(elbow, f"{side}_elbow")[2] + 0.1
    knee = pose_body(AVERAGE, stand(**{f"{side}_knee": 90.0}), FRONT)
    assert point(knee, f"{side}_ankle")[2] < point(knee, f"{side}_knee")[2] - 0.2
    thigh = pose_body(AVERAGE, stand(**{f"{side}_hip_flex": 90.0}), FRONT)
    assert point(thigh, f"{side}_knee")[2] > 0.2
    wide = pose_body(AVERAGE, stand(**{f"{side}_shoulder_spread": 90.0}), FRONT)
    assert sign * point(wide, f"{side}_wrist")[0] > 0.35
    inward = pose_body(
        AVERAGE, stand(**{f"{side}_elbow": 90.0, f"{side}_shoulder_turn": 80.0}), FRONT
    )
    assert sign * (point(inward, f"{side}_wrist") - point(inward, f"{side}_elbow"))[0] < -0.1


def test_bending_forward_brings_the_head_forward():
    body = pose_body(AVERAGE, stand(trunk_bend=60.0), FRONT)
    assert point(body, "head")[2] > 0.2
    assert point(body, "head")[1] < 0.35


def test_limbs_keep_their_length_in_every_pose():
    rng = np.random.default_rng(2)
    lengths = []
    for _ in range(20):
        body = pose_body(AVERAGE, sample_pose(rng), rotation(*rng.uniform(-180, 180, 3)))
        lengths.append(
            [
                np.linalg.norm(point(body, f"left_{a}") - point(body, f"left_{b}"))
                for a, b in (
                    ("shoulder", "elbow"),
                    ("elbow", "wrist"),
                    ("hip", "knee"),
                    ("knee", "ankle"),
                )
            ]
        )
    np.testing.assert_allclose(lengths, np.tile([0.170, 0.145, 0.245, 0.240], (20, 1)), atol=1e-9)


def test_rotation_is_orthonormal_and_in_the_stated_order():
    turn = rotation(20.0, -35.0, 70.0)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    separate = rotation(20.0, 0.0, 0.0) @ rotation(0.0, -35.0, 0.0) @ rotation(0.0, 0.0, 70.0)
    np.testing.assert_allclose(turn, separate, atol=1e-12)


def test_projection_flips_y_and_enlarges_what_is_near():
    points = np.array([[0.0, 0.0, 0.0], [0.1, 0.5, 0.0], [0.1, 0.5, 1.0]])
    pixels, scale = project(points, (30.0, 70.0), 100.0, 0.2)
    np.testing.assert_allclose(pixels, [[30, 70], [40, 20], [42.5, 7.5]])
    np.testing.assert_allclose(scale, [100.0, 100.0, 125.0])


def test_builds_differ_and_stay_human():
    rng = np.random.default_rng(3)
    builds = [sample_build(rng) for _ in range(100)]
    assert len({build.legs for build in builds}) == 100
    assert all(0.75 <= value <= 1.55 for build in builds for value in vars(build).values())
