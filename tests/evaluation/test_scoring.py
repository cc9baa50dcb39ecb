import json

import numpy as np
import pytest
from scipy.io import savemat
from textbook.random_coco import random_coco

from lib.evaluation import evaluate_coco
from lib.evaluation.scoring import compare, score_file
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import ConfigError, DataError


@pytest.fixture
def files(tmp_path):
    content, rows = random_coco(1, images=40)
    content["categories"][0]["keypoints"] = list(load_skeleton("coco").joints)
    for name, part in (("gt", content), ("good", rows), ("worse", rows[::3])):
        (tmp_path / f"{name}.json").write_text(json.dumps(part))
    return tmp_path, content, rows


def test_all_that_a_test_gives(files):
    folder, content, rows = files
    found = score_file(folder / "gt.json", folder / "good.json")
    assert found.numbers == pytest.approx(evaluate_coco(content, rows))
    values = found.as_dict()
    assert len(values["joints"]) == 17
    assert values["sizes"][0]["AP"] == pytest.approx(found.numbers["AP"])
    assert set(values["errors"]["costs"]) >= {"jitter", "swap", "missed"}
    json.dumps(values, allow_nan=False)


def test_two_files_are_compared(files):
    folder, *_ = files
    good, worse = (score_file(folder / "gt.json", folder / f"{n}.json") for n in ("good", "worse"))
    difference = compare(good, worse, resamples=100)
    assert difference.ap == pytest.approx(worse.numbers["AP"] - good.numbers["AP"])
    assert difference.high < 0
    same = compare(good, good, resamples=50)
    assert (same.ap, same.low, same.high, same.better) == (0, 0, 0, 0.5)


def test_spreads_of_the_user(files):
    folder, content, rows = files
    wide = score_file(folder / "gt.json", folder / "good.json", sigmas=",".join(["0.2"] * 17))
    assert wide.numbers == pytest.approx(evaluate_coco(content, rows, [0.2] * 17))
    named = score_file(folder / "gt.json", folder / "good.json", sigmas="coco")
    assert named.numbers == pytest.approx(evaluate_coco(content, rows))
    for wrong in ("0.1,0.2", "mpii", ",".join(["-1"] * 17), ",".join(["nan"] * 17)):
        with pytest.raises(ConfigError, match="--sigmas gives"):
            score_file(folder / "gt.json", folder / "good.json", sigmas=wrong)


def mpii_files(folder, people=5):
    rng = np.random.default_rng(0)
    truth = rng.uniform(10, 200, (16, 2, people))
    heads = np.stack([np.zeros((2, people)), np.full((2, people), 50.0)])
    fields = {"jnt_missing": np.zeros((16, people)), "pos_gt_src": truth, "headboxes_src": heads}
    savemat(str(folder / "gt_valid.mat"), fields)
    preds = truth.transpose(2, 0, 1)  # 1-based, as the truth is
    savemat(str(folder / "pred.mat"), {"preds": preds})
    moved = preds.copy()
    moved[:2] += 1000
    np.save(folder / "pred.npy", moved)


def test_mpii(tmp_path):
    mpii_files(tmp_path)
    exact, moved = (
        score_file(tmp_path / "gt_valid.mat", tmp_path / f"pred.{e}") for e in ("mat", "npy")
    )
    assert exact.numbers["Mean"] == exact.numbers["Mean@0.10 (<)"] == 100
    assert moved.numbers["Mean"] == pytest.approx(60)
    assert moved.joints[0]["PCKh@0.5"] == pytest.approx(60)
    assert compare(exact, moved, resamples=200).ap == pytest.approx(-40)
    assert "errors" not in moved.as_dict()
    np.save(tmp_path / "pred.npy", np.zeros((4, 16, 2)))
    with pytest.raises(DataError, match=r"\(4, 16, 2\), wanted \(5, 16, 2\)"):
        score_file(tmp_path / "gt_valid.mat", tmp_path / "pred.npy")
    with pytest.raises(ConfigError, match="scored by pckh"):
        score_file(tmp_path / "gt_valid.mat", tmp_path / "pred.mat", metric="coco")


def test_files_that_are_wrong_are_named(files):
    folder, *_ = files
    with pytest.raises(ConfigError, match="Did you mean coco"):
        score_file(folder / "gt.json", folder / "good.json", metric="cocos")
    with pytest.raises(ConfigError, match="needs MPII's MATLAB file"):
        score_file(folder / "gt.json", folder / "good.json", metric="pckh")
    with pytest.raises(DataError, match=r"none\.json"):
        score_file(folder / "gt.json", folder / "none.json")
    with pytest.raises(DataError, match=r"good\.json.*does not hold an object"):
        score_file(folder / "good.json", folder / "gt.json")
    with pytest.raises(DataError, match=r"list of objects"):
        score_file(folder / "gt.json", folder / "gt.json")


@pytest.mark.parametrize(
    ("truth", "results", "wanted"),
    [
        ("fce_kp_gt", "fce_kp_dt", [0.5048844884, 0.7227722772, 0.6336633663]),
        ("example_coco_val", "example_coco_preds", [0.8609, 0.9931, 0.9109]),
        ("example_crowdpose_val", "example_crowdpose_preds", [0.7877, 0.9881, 0.7314]),
    ],
)
def test_known_scores(shared, truth, results, wanted):
    folder = shared / "data/units"
    found = score_file(folder / f"{truth}.json", folder / f"{results}.json").numbers
    assert [found[n] for n in ("AP", "AP .5", "AP .75")] == pytest.approx(wanted, abs=5e-5)


@pytest.mark.parametrize(
    ("file", "mean"), [("pred_eeffpose.mat", 90.749), ("pred_hourglass.npy", 88.035)]
)
def test_known_scores_of_mpii(shared, file, mean):
    folder = shared / "data/mpii"
    assert score_file(folder / "gt_valid.mat", folder / file).numbers["Mean"] == pytest.approx(
        mean, abs=5e-4
    )
