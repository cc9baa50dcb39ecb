import numpy as np

from lib.datasets.synthetic.poses import ARMS, LEGS, LIMB, LIMITS, SPREADS, TRUNK, sample_pose


def test_every_angle_stays_within_its_limits():
    rng = np.random.default_rng(0)
    for _ in range(200):
        pose = sample_pose(rng)
        for angles, names in ((pose.trunk, TRUNK), (pose.left, LIMB), (pose.right, LIMB)):
            assert set(angles) == set(names)
            for name, angle in angles.items():
                assert LIMITS[name][0] <= angle <= LIMITS[name][1]


def test_every_activity_comes_up_and_both_sides_lead():
    rng = np.random.default_rng(1)
    poses = [sample_pose(rng) for _ in range(800)]
    assert {pose.legs for pose in poses} == set(LEGS)
    runners = [pose for pose in poses if pose.legs == "run"]
    left_leads = sum(pose.left["hip_flex"] > pose.right["hip_flex"] for pose in runners)
    assert 0.25 < left_leads / len(runners) < 0.75


def test_tables_name_only_known_angles():
    for _, trunk, near, far in LEGS.values():
        assert set(trunk) <= set(TRUNK)
        assert {*near, *far} <= set(LIMB)
    for _, near, far in ARMS.values():
        assert {*near, *far} <= set(LIMB)
    assert set(SPREADS) == set(LIMITS) == {*TRUNK, *LIMB}
