import math

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from lib.evaluation import MpiiEvaluator, evaluate_mpii
from lib.evaluation.mpii import read_mpii_truth
from lib.structures.results import Poses
from lib.utils.errors import DataError

PEOPLE = 11


def truth_fields(seed=0):
    rng = np.random.default_rng(seed)
    heads = rng.uniform(0, 50, (2, 2, PEOPLE))
    heads[1] = heads[0] + np.array([[30.0], [40.0]])  # diagonal 50, head size 30
    return {
        "jnt_missing": (rng.uniform(size=(16, PEOPLE)) < 0.2).astype(float),
        "pos_gt_src": rng.uniform(1, 500, (16, 2, PEOPLE)),
        "headboxes_src": heads,
    }


@pytest.fixture
def truth(tmp_path):
    fields = truth_fields()
    path = tmp_path / "gt_valid.mat"
    savemat(path, fields)
    return path, fields


def poses_of(keypoints, indices):
    count = len(keypoints)
    return Poses(
        image_ids=np.zeros(count, np.int64),
        keypoints=keypoints.astype(np.float32),
        keypoint_scores=np.ones((count, 16), np.float32),
        scores=np.ones(count, np.float32),
        boxes=np.zeros((count, 4), np.float32),
        indices=np.asarray(indices),
        crops=np.zeros((count, 4), np.float32),
    )


@pytest.mark.parametrize(
    ("pixels", "mean", "lineage_tenth", "tenth"),
    [(2.99, 100, 100, 100), (3.2, 100, 100, 0), (3.4, 100, 0, 0), (14.99, 100, 0, 0), (15.1,) * 4],
)
def test_thresholds_in_head_sizes(truth, pixels, mean, lineage_tenth, tenth):
    """Head size 30: 0.10 is 3 px, the lineage's 0.11 is 3.3 px, 0.5 is 15 px."""
    path, fields = truth
    predictions = fields["pos_gt_src"].transpose(2, 0, 1) - 1 + np.array([pixels, 0.0])
    found = evaluate_mpii(predictions, path)
    wanted = (0, 0, 0) if pixels == 15.1 else (mean, lineage_tenth, tenth)
    assert (found["Mean"], found["Mean@0.1"], found["Mean@0.10"]) == wanted
    assert list(found)[:8] == [
        "Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean",
    ]  # fmt: skip


def test_missing_joints_pelvis_and_thorax_do_not_count(truth):
    path, fields = truth
    predictions = fields["pos_gt_src"].transpose(2, 0, 1) - 1
    predictions[fields["jnt_missing"].T == 1] += 1000
    predictions[:, [6, 7]] += 1000
    assert evaluate_mpii(predictions, path)["Mean"] == 100
    predictions[:, 9] += 1000
    found = evaluate_mpii(predictions, path)
    counts = (fields["jnt_missing"] == 0).sum(axis=1)
    counts[[6, 7]] = 0
    assert found["Head"] == 0
    assert found["Mean"] == pytest.approx(100 * (1 - counts[9] / counts.sum()))


def test_a_joint_nobody_annotated(tmp_path):
    fields = truth_fields()
    fields["jnt_missing"][9] = 1
    savemat(tmp_path / "gt.mat", fields)
    found = evaluate_mpii(fields["pos_gt_src"].transpose(2, 0, 1) - 1, tmp_path / "gt.mat")
    assert math.isnan(found["Head"])
    assert found["Mean"] == 100


def test_one_person_alone(tmp_path):
    fields = {key: value[..., :1] for key, value in truth_fields().items()}
    savemat(tmp_path / "gt.mat", fields)
    assert evaluate_mpii(fields["pos_gt_src"].transpose(2, 0, 1) - 1, tmp_path / "gt.mat")


def test_bad_ground_truth_files(tmp_path):
    with pytest.raises(DataError, match=r"none\.mat"):
        evaluate_mpii(np.zeros((1, 16, 2)), tmp_path / "none.mat")
    broken = tmp_path / "broken.mat"
    broken.write_bytes(b"not a matlab file at all" * 20)
    with pytest.raises(DataError, match="not a MATLAB file, or is incomplete"):
        evaluate_mpii(np.zeros((1, 16, 2)), broken)
    savemat(tmp_path / "other.mat", {"preds": np.zeros(3)})
    with pytest.raises(DataError, match="jnt_missing"):
        evaluate_mpii(np.zeros((1, 16, 2)), tmp_path / "other.mat")
    savemat(tmp_path / "odd.mat", {**truth_fields(), "jnt_missing": np.zeros((15, PEOPLE))})
    with pytest.raises(DataError, match="fields of"):
        evaluate_mpii(np.zeros((1, 16, 2)), tmp_path / "odd.mat")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("version", ["4", "5"])
def test_damaged_ground_truth_is_one_sentence(tmp_path, packed, version):
    """Text, nothing, and a good file cut off at any place."""
    path = tmp_path / "gt.mat"
    fields = truth_fields()
    if version == "4":
        fields = {name: values.reshape(len(values), -1) for name, values in fields.items()}
    savemat(path, fields, format=version, do_compression=packed and version == "5")
    whole = path.read_bytes()
    cuts = [whole[:length] for length in range(0, len(whole) - 1, 97)]
    for content in (b"", b"jnt_missing = [0 1]\n" * 40, "größer\n".encode() * 9, *cuts):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"gt\.mat"):
            read_mpii_truth(path)


def test_people_of_another_split_are_refused_before_anything_is_predicted(truth):
    path, _ = truth
    assert len(MpiiEvaluator(path, PEOPLE, "valid.json").truth) == PEOPLE
    with pytest.raises(DataError, match=r"gt_valid\.mat has 11 people, valid\.json 12: they must"):
        MpiiEvaluator(path, 12, "valid.json")


def test_wrong_number_of_people(truth):
    with pytest.raises(DataError, match=r"wanted \(11, 16, 2\)"):
        evaluate_mpii(np.zeros((10, 16, 2)), truth[0])


def test_evaluator_orders_by_index_and_writes_one_based(truth, tmp_path):
    path, fields = truth
    points = fields["pos_gt_src"].transpose(2, 0, 1) - 1
    order = np.random.default_rng(0).permutation(PEOPLE)
    evaluator = MpiiEvaluator(path)
    evaluator.update(poses_of(points[order[:4]], order[:4]))
    with pytest.raises(ValueError, match="every person"):
        evaluator.compute()
    evaluator.update(poses_of(points[order[4:]], order[4:]))
    assert evaluator.compute()["Mean"] == 100
    (file,) = evaluator.write(tmp_path / "run")
    assert file == tmp_path / "run/pred.mat"
    preds = loadmat(file)["preds"]
    np.testing.assert_allclose(preds, fields["pos_gt_src"].transpose(2, 0, 1), atol=1e-3)
    evaluator.update(poses_of(points[:1], [0]))
    with pytest.raises(ValueError, match="every person"):
        evaluator.compute()


def test_without_ground_truth_nothing_is_scored(tmp_path):
    evaluator = MpiiEvaluator(None)
    evaluator.update(poses_of(np.zeros((3, 16, 2)), [2, 0, 1]))
    assert evaluator.compute() == {}
    assert evaluator.write(tmp_path)[0].is_file()


def test_reference_fixture(shared, tmp_path):
    data = np.load(shared / "golden/data/mpii.npz")
    fields = ("jnt_missing", "pos_gt_src", "headboxes_src")
    savemat(tmp_path / "gt.mat", {key: data[key] for key in fields})
    found = evaluate_mpii(data["preds"][..., :2], tmp_path / "gt.mat")
    wanted = data["stats"].tolist()
    assert list(found.values())[: len(wanted)] == pytest.approx(wanted, abs=1e-6)


EEFFPOSE = [97.271, 96.450, 91.836, 87.237, 89.285, 87.164, 82.475, 90.749, 41.816, 37.361]
HOURGLASS = [95.941, 94.684, 88.529, 83.382, 87.485, 83.094, 79.050, 88.035]


def test_known_scores(shared):
    folder = shared / "data/mpii"
    predictions = loadmat(folder / "pred_eeffpose.mat")["preds"] - 1
    found = evaluate_mpii(predictions, folder / "gt_valid.mat")
    assert list(found.values()) == pytest.approx(EEFFPOSE, abs=1e-3)
    predictions = np.load(folder / "pred_hourglass.npy") - 1
    found = evaluate_mpii(predictions, folder / "gt_valid.mat")
    assert list(found.values())[:8] == pytest.approx(HOURGLASS, abs=1e-3)
