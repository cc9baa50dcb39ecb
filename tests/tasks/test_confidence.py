import numpy as np
import pytest

from lib.evaluation.calibration import Calibration, ScoreMap, calibrated_rows
from lib.evaluation.coco_evaluator import CocoEvaluator
from lib.evaluation.coco_files import read_truth_file
from lib.structures.results import Poses
from lib.structures.skeleton import load_skeleton
from lib.tasks.confidence import Confidence

K = 17


def maps(shift=0.0):
    """A different map for every joint, and one for people."""
    knots = np.array([0.0, 0.4, 1.0])
    joints = [ScoreMap(knots, np.array([-3.0, 0.1 * k + shift, 2.0])) for k in range(K)]
    return Calibration(tuple(joints), ScoreMap(knots, np.array([-4.0, -1.0, 1.5])))


def poses(count=5, seed=0):
    rng = np.random.default_rng(seed)
    return Poses(
        image_ids=np.arange(count) // 2,
        keypoints=rng.uniform(0, 200, (count, K, 2)).astype(np.float32),
        keypoint_scores=rng.uniform(0, 1, (count, K)).astype(np.float32),
        scores=np.ones(count, np.float32),
        boxes=np.tile(np.float32([0, 0, 90, 120]), (count, 1)),
        indices=np.arange(count),
        crops=np.tile(np.float32([50, 60, 90, 120]), (count, 1)),
    )


def truth():
    images = [{"id": n, "width": 200, "height": 200} for n in range(3)]
    names = list(load_skeleton("coco").joints)
    person = {"id": 1, "image_id": 0, "category_id": 1, "bbox": [0, 0, 50, 50], "area": 2500.0}
    return {
        "images": images,
        "annotations": [{**person, "iscrowd": 0, "keypoints": [9, 9, 2] * K, "num_keypoints": K}],
        "categories": [{"id": 1, "name": "person", "keypoints": names}],
    }


@pytest.mark.parametrize("rescored", [True, False])
def test_callers_get_the_scores_that_tests_write(rescored, tmp_path):
    calibration, found = maps(), poses()
    options = {"rescore_poses": rescored, "oks_thre": 0, "in_vis_thre": 0.2}
    annotations = read_truth_file(truth())
    evaluator = CocoEvaluator(annotations, annotations.skeleton, calibration=calibration, **options)
    evaluator.update(found)
    plain = CocoEvaluator(annotations, annotations.skeleton, **options)
    plain.update(found)
    assert evaluator.rows() == calibrated_rows(calibration, plain.rows())
    assert evaluator.compute() == pytest.approx(plain.compute(), nan_ok=True)

    called = Confidence(calibration, rescored=rescored, given_boxes=True, least=0.2)(found)
    rows = sorted(evaluator.rows(), key=lambda row: row["keypoints"][0])
    order = np.argsort(called.keypoints[:, 0, 0])
    assert called.scores[order] == pytest.approx([row["score"] for row in rows], abs=1e-6)
    for n, row in zip(order, rows, strict=True):
        assert called.keypoint_scores[n] == pytest.approx(row["keypoints"][2::3], abs=1e-6)
    assert np.array_equal(called.keypoints, found.keypoints)


def test_the_score_of_a_found_box_counts():
    found = poses()
    found.scores[:] = np.linspace(0.2, 0.8, len(found))
    own = Confidence(maps(), rescored=True, given_boxes=False, least=0.2)(found).scores
    given = Confidence(maps(), rescored=True, given_boxes=True, least=0.2)(found).scores
    assert (own < given).all()


def test_nobody_is_mapped_to_nobody():
    found = Confidence(maps(), rescored=True, given_boxes=True, least=0.2)(Poses.empty(K))
    assert len(found) == 0
    assert found.keypoint_scores.shape == (0, K)
