import json

import numpy as np
import pytest
from textbook.random_coco import random_coco

from lib.evaluation import calibration, evaluate_coco
from lib.evaluation.diagnosis import diagnose
from lib.evaluation.table import read_table
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import DataError

COCO = load_skeleton("coco")


@pytest.fixture(scope="module")
def split():
    """Random people whose scores have nothing to do with how well they were found."""
    dataset, rows = random_coco(0, images=300)
    for row in rows:
        row["keypoints"][2::3] = [3 * score for score in row["keypoints"][2::3]]
    table, _ = read_table(dataset, rows, COCO.sigmas)
    return dataset, rows, diagnose(table, COCO).images


def test_a_map_finds_the_planted_truth():
    rng = np.random.default_rng(0)
    scores = rng.uniform(size=20_000)
    right = rng.uniform(size=20_000) < scores**2
    fitted = calibration.fit_map(scores, right)
    places = np.linspace(0.1, 0.95, 30)
    assert fitted(places) == pytest.approx(places**2, abs=0.03)


@pytest.mark.parametrize("kind", ["noise", "falling", "right", "wrong", "one score", "one event"])
def test_a_map_always_rises(kind):
    rng = np.random.default_rng(0)
    scores = rng.uniform(size=300)
    right = {
        "noise": rng.uniform(size=300) < 0.5,
        "falling": rng.uniform(size=300) > scores,
        "right": np.ones(300, bool),
        "wrong": np.zeros(300, bool),
    }.get(kind, rng.uniform(size=300) < 0.5)
    if kind == "one score":
        scores[:] = 0.4
    if kind == "one event":
        scores, right = scores[:1], right[:1]
    fitted = calibration.fit_map(scores, right)
    places = np.linspace(-3, 4, 500)
    values = fitted(places)
    assert (np.diff(values) > 0).all()
    assert ((values > 0) & (values < 1)).all()


def test_no_two_scores_become_one():
    fitted = calibration.fit_map(np.linspace(0, 1, 100), np.arange(100) > 50)
    scores = np.array([0.3, np.nextafter(0.3, 1), 0.3, 0.9, np.nextafter(0.9, 0), 50.0, 51.0])
    mapped = calibration.in_order(fitted, scores)
    assert mapped[0] == mapped[2]
    np.testing.assert_array_equal(np.argsort(mapped), np.argsort(scores))
    assert len(np.unique(mapped)) == len(np.unique(scores))


def test_errors_fall_on_the_other_half_and_ap_stays(split):
    dataset, rows, images = split
    first, second = calibration.halves(images, seed=3)
    assert len(first) == len(second) == 150
    assert not {e.image.image_id for e in first} & {e.image.image_id for e in second}
    fitted = calibration.fit_calibration(first, 17)
    judged = calibration.judge(fitted, second)
    assert judged.joint[1] < 0.1 < judged.joint[0]
    assert judged.person[1] < judged.person[0]
    assert len(judged.joints) == 17
    mapped = calibration.calibrated_rows(fitted, rows)
    for before, after in zip(rows, mapped, strict=True):
        assert before["keypoints"][0::3] == after["keypoints"][0::3]
        assert before["keypoints"][1::3] == after["keypoints"][1::3]
        assert before.keys() == after.keys()
    for part in (first, second, images):
        chosen = [errors.image.image_id for errors in part]
        wanted = evaluate_coco(dataset, rows, COCO.sigmas, image_ids=chosen)
        assert evaluate_coco(dataset, mapped, COCO.sigmas, image_ids=chosen) == wanted


def test_maps_are_kept_as_plain_values(split):
    fitted = calibration.fit_calibration(split[2], 17)
    text = json.dumps(fitted.as_dict(), allow_nan=False)
    again = calibration.read_calibration(json.loads(text), "card")
    scores = np.linspace(-1, 4, 50)
    for one, other in zip(
        (*fitted.joints, fitted.person), (*again.joints, again.person), strict=True
    ):
        np.testing.assert_array_equal(one(scores), other(scores))
    with pytest.raises(DataError, match="holds no calibration"):
        calibration.read_calibration({"person": {"scores": [0, 1]}}, "card")
    with pytest.raises(DataError, match="do not increase"):
        calibration.read_calibration({"person": {"scores": [1, 0], "logits": [0, 1]}}, "card")


def test_what_cannot_be_calibrated_is_said(split):
    with pytest.raises(DataError, match="No pose of the half"):
        calibration.fit_calibration([], 17)
    fitted = calibration.fit_calibration(split[2], 17)
    with pytest.raises(DataError, match="Result 0 has 14 joints, the calibration 17"):
        calibration.calibrated_rows(fitted, [{"keypoints": [0.0] * 42, "score": 1.0}])
    assert calibration.calibrated_rows(fitted, []) == []
