import numpy as np
import pytest

from lib.evaluation import distance


@pytest.fixture(scope="module")
def reference(shared):
    return np.load(shared / "golden/mmpose/eval_distance.npz")


def of_boxes(file):
    return distance.normalised_distances(file["pred"], file["gt"], file["mask"], file["box_size"])


@pytest.mark.parametrize("threshold", ["0.05", "0.2"])
def test_pck_equals_the_reference(reference, threshold):
    shares = distance.joint_shares(of_boxes(reference), float(threshold))
    wanted = reference[f"pck_{threshold}_joint"]
    np.testing.assert_allclose(np.nan_to_num(shares, nan=-1.0), wanted, atol=1e-12)
    assert (~np.isnan(shares)).sum() == reference[f"pck_{threshold}_count"]
    mean = distance.pck(of_boxes(reference), float(threshold))
    assert mean == pytest.approx(float(reference[f"pck_{threshold}_mean"]), abs=1e-7)


def test_auc_epe_and_nme_equal_the_reference(reference):
    file = reference
    pixels = distance.normalised_distances(
        file["pred"], file["gt"], file["mask"], np.ones(len(file["pred"]))
    )
    eyes = np.linalg.norm(file["gt"][:, 1] - file["gt"][:, 2], axis=1)
    by_eyes = distance.normalised_distances(file["pred"], file["gt"], file["mask"], eyes)
    found = [
        distance.area_under_curve(pixels, 30, 20),
        distance.mean_distance(pixels),
        distance.mean_distance(of_boxes(file)),
        distance.mean_distance(by_eyes),
    ]
    names = ("auc_30px_20", "epe", "nme_box", "nme_eyes")
    assert found == pytest.approx([float(file[name]) for name in names], abs=1e-6)


def test_comparisons_differ_at_the_threshold():
    truth = np.zeros((2, 3, 2))
    found = np.array([[[3.0, 4], [0, 0], [9, 9]], [[3, 4], [np.nan, 0], [0, 0]]])
    labelled = np.array([[True, True, False], [True, True, False]])
    shares = distance.normalised_distances(found, truth, labelled, np.array([10.0, 0.0]))
    assert shares[0, 0] == 0.5
    assert np.isnan(shares[1]).all()  # a length of 0 says nothing
    assert distance.joint_shares(shares, 0.5).tolist()[:2] == [0.0, 1.0]
    assert distance.joint_shares(shares, 0.5, inclusive=True).tolist()[:2] == [1.0, 1.0]
    assert np.isnan(distance.joint_shares(shares, 0.5)[2])
    lost = distance.normalised_distances(found, truth, labelled, np.array([10.0, 10.0]))
    assert np.isinf(lost[1, 1])
    assert distance.joint_shares(lost, 99.0)[1] == 0.5  # a person not found is wrong
    assert distance.mean_distance(lost) == pytest.approx((0.5 + 0 + 0.5) / 3)
    assert np.isnan(distance.mean_distance(np.full((1, 1), np.nan)))
