import numpy as np
import pytest

from lib.evaluation import pckh
from lib.evaluation.distance import joint_shares
from lib.evaluation.mpii import JOINT_GROUPS, MpiiTruth, head_distances


def test_all_forms_equal_the_reference(shared):
    file = np.load(shared / "golden/mmpose/eval_distance.npz")
    # The reference adds 1 to predictions and leaves its truth as it is; ours takes both 0-based.
    truth = MpiiTruth(file["mpii_gt"] - 1, file["mpii_mask"], file["mpii_head"])
    wanted = dict(zip(file["mpii_names"].tolist(), file["mpii_values"].tolist(), strict=True))
    distances = np.where(truth.visible, head_distances(file["mpii_pred"], truth), np.nan)
    shares = 100 * joint_shares(distances, 0.5, inclusive=False)
    for name, joints in JOINT_GROUPS.items():
        assert shares[list(joints)].mean() == pytest.approx(wanted[f"{name} PCK"], abs=1e-6)
    for threshold, name in ((0.5, "PCK"), (0.1, "PCK@0.1")):
        mean = pckh.pckh_mean(file["mpii_pred"], truth, threshold, inclusive=False)
        assert mean == pytest.approx(wanted[name], abs=2e-6)


def test_a_joint_at_the_threshold():
    truth = MpiiTruth(np.zeros((1, 16, 2)), np.ones((1, 16), bool), np.array([10.0]))
    found = np.zeros((1, 16, 2))
    found[0, 0] = (0, 5)
    numbers = pckh.pckh_numbers(found, truth)
    assert numbers["Mean@0.50 (<=)"] == numbers["Mean"] == 100
    assert numbers["Mean@0.50 (<)"] == pytest.approx(100 * 13 / 14)
    assert numbers["Mean@0.11 (<=)"] == numbers["Mean@0.1"] == pytest.approx(100 * 13 / 14)
    rows = pckh.pckh_joints(found, truth)
    assert (rows[0]["PCKh@0.5"], rows[0]["PCKh@0.1"]) == (100, 0)
