import numpy as np
import pytest
from textbook.random_coco import random_coco

from lib.evaluation import confidence
from lib.evaluation.diagnosis import diagnose
from lib.evaluation.metrics import METRICS, read_subject
from lib.evaluation.table import read_table
from lib.structures.skeleton import load_skeleton

COCO = load_skeleton("coco")


@pytest.mark.parametrize(
    ("truth", "wanted"),
    [(lambda s: s, 0.0), (lambda s: s**2, 1 / 6), (lambda s: np.minimum(s + 0.2, 1), 0.18)],
)
def test_planted_miscalibration_is_measured(truth, wanted):
    rng = np.random.default_rng(0)
    scores = rng.uniform(size=40_000)
    right = rng.uniform(size=40_000) < truth(scores)
    assert confidence.reliability(scores, right).error == pytest.approx(wanted, abs=0.01)


def test_bins_by_hand():
    scores = np.array([-0.5, 0.05, 0.9, 0.95, 1.0, 7.0])
    right = np.array([False, True, True, True, False, True])
    found = confidence.reliability(scores, right, bins=2)
    assert found.count.tolist() == [2, 4]
    assert found.score == pytest.approx([0.025, 3.85 / 4])
    assert found.right.tolist() == [0.5, 0.75]
    assert found.error == pytest.approx((2 * 0.475 + 4 * (3.85 / 4 - 0.75)) / 6)
    assert np.isnan(confidence.reliability(np.zeros(0), np.zeros(0, bool)).error)


def test_auroc_is_the_share_of_ordered_pairs():
    rng = np.random.default_rng(1)
    present, absent = rng.integers(0, 9, 40) / 9, rng.integers(0, 7, 30) / 9
    pairs = [(p > a) + 0.5 * (p == a) for p in present for a in absent]
    assert confidence.auroc(present, absent) == pytest.approx(np.mean(pairs))
    assert np.isnan(confidence.auroc(present, np.zeros(0)))


def test_events_of_joints_and_people():
    dataset, rows = random_coco(0, images=20)
    table, _ = read_table(dataset, rows, COCO.sigmas)
    found = diagnose(table, COCO)
    joints, people = (f(found.images) for f in (confidence.joint_events, confidence.person_events))
    assert len(joints.scores) == found.joint_counts.sum()
    assert joints.right.sum() == found.joint_counts[:, :2].sum()
    assert np.bincount(joints.group, minlength=17).tolist() == found.joint_counts.sum(1).tolist()
    total = sum(found.people[name] for name in ("matched", "background", "duplicate"))
    assert len(people.scores) == total
    assert 0 < people.right.sum() <= found.people["matched"]


def test_scores_of_absent_joints():
    """One person: joints 0-3 visible, 4 occluded, 5 outside, the others unlabelled."""
    points = np.column_stack([np.linspace(20, 60, 17), np.linspace(20, 60, 17)])
    points[5] = (130, 50)
    visibility = np.array([2] * 4 + [1, 2] + [0] * 11)
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [20, 20, 60, 60]}
    annotation |= {"area": 2500.0, "iscrowd": 0, "num_keypoints": 6}
    annotation["keypoints"] = np.column_stack([points, visibility]).ravel().tolist()
    content = {
        "images": [{"id": 1, "width": 100, "height": 90}],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO.joints)}],
        "annotations": [annotation],
    }
    scores = np.array([0.9] * 4 + [0.95, 0.1] + [0.9] * 11)
    row = {"image_id": 1, "category_id": 1, "score": 0.5}
    row["keypoints"] = np.column_stack([points, scores]).ravel().tolist()
    found = METRICS["confidence"].score(read_subject("confidence", content, [row]))
    assert found["AUROC (outside)"] == 1
    assert found["AUROC (occluded)"] == 0
    assert found["AUROC (unlabelled)"] == 0.5
    assert np.isnan(found["AUROC (background)"])
    assert found["person calibration error"] == pytest.approx(0.5)
