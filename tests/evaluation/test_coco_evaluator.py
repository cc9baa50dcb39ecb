import json
import math
import zipfile

import numpy as np
import pytest
from textbook.random_coco import random_coco

from lib.evaluation import CocoEvaluator, evaluate_coco
from lib.evaluation.coco_evaluator import coco_rows
from lib.structures.results import Poses
from lib.structures.skeleton import load_skeleton, skeleton_from_dict
from lib.utils.errors import DataError

COCO = load_skeleton("coco")


def poses_of(rows, joints=17, image_ids=None):
    """People whose crops are 100 x 150 pixels around their first joint."""
    triples = np.array([row["keypoints"] for row in rows], np.float32).reshape(-1, joints, 3)
    crops = np.concatenate([triples[:, 0, :2], np.full((len(rows), 2), (100, 150))], axis=1)
    half = crops[:, 2:] / 2
    return Poses(
        image_ids=np.array(image_ids or [row["image_id"] for row in rows]),
        keypoints=triples[..., :2],
        keypoint_scores=triples[..., 2],
        scores=np.array([row["score"] for row in rows], np.float32),
        boxes=np.concatenate([crops[:, :2] - half, crops[:, :2] + half], axis=1),
        indices=np.arange(len(rows)),
        crops=crops.astype(np.float32),
    )


@pytest.fixture
def files(tmp_path):
    dataset, rows = random_coco(4, images=7)
    dataset["categories"][0]["keypoints"] = list(COCO.joints)
    path = tmp_path / "person_keypoints_val2017.json"
    path.write_text(json.dumps(dataset))
    return path, dataset, rows


def test_written_rows_are_those_of_the_lineage(files, tmp_path):
    path, dataset, rows = files
    evaluator = CocoEvaluator(path, COCO, set_name="val2017", rank=3)
    evaluator.update(poses_of(rows[:5]))
    evaluator.update(poses_of(rows[5:]))
    (file,) = evaluator.write(tmp_path / "run")
    assert file == tmp_path / "run/results/keypoints_val2017_results_3.json"
    written = json.loads(file.read_text())
    assert 0 < len(written) <= len(rows)
    for row in written:
        assert list(row) == ["image_id", "category_id", "keypoints", "score", "center", "scale"]
        assert len(row["keypoints"]) == 51
        assert row["center"] == pytest.approx(row["keypoints"][:2])
        assert row["scale"] == pytest.approx([0.5, 0.75])  # 100 x 150 pixels / 200
    assert evaluator.compute() == pytest.approx(
        evaluate_coco(dataset, written), abs=1e-12, nan_ok=True
    )


def test_rescoring_and_suppression(files):
    path, dataset, _ = files
    first = dataset["images"][0]["id"]
    points = np.random.default_rng(0).uniform(0, 300, (17, 2))
    triple = np.column_stack([points, np.full(17, 0.5)])
    triple[0, 2], triple[1, 2] = 0.1, 0.9  # one below in_vis_thre, one higher
    same = {"image_id": first, "category_id": 1, "keypoints": triple.ravel().tolist()}
    rows = [{**same, "score": score} for score in (0.5, 1.0)]
    evaluator = CocoEvaluator(path, COCO)
    evaluator.update(poses_of(rows))
    (kept,) = evaluator.rows()
    assert kept["score"] == pytest.approx((0.9 + 15 * 0.5) / 16)
    everyone = CocoEvaluator(path, COCO, oks_thre=0, rescore_poses=False, row_extras="extent")
    everyone.update(poses_of(rows))
    assert [row["score"] for row in everyone.rows()] == [0.5, 1.0]
    low, size = points.min(axis=0), np.ptp(points, axis=0)
    assert everyone.rows()[0]["bbox"] == pytest.approx([*low, *size], abs=1e-3)


def test_suppression_measures_by_the_area_of_the_crop(files):
    """Poses 12 pixels apart are alike for a large person, and two for a small one."""
    path, dataset, _ = files
    points = np.random.default_rng(0).uniform(0, 300, (17, 2))
    rows = [
        {"image_id": dataset["images"][0]["id"], "score": score}
        | {"keypoints": np.column_stack([points + move, np.ones(17)]).ravel().tolist()}
        for score, move in ((0.5, 12.0), (1.0, 0.0))
    ]
    for side, wanted in ((2000.0, 1), (60.0, 2)):
        poses = poses_of(rows)
        poses.crops[:, 2:] = side
        evaluator = CocoEvaluator(path, COCO)
        evaluator.update(poses)
        assert len(evaluator.rows()) == wanted


def test_one_stage_rows_carry_the_box_and_score_it(files):
    path, dataset, _ = files
    evaluator = CocoEvaluator(
        path, COCO, oks_thre=0, rescore_poses=False, row_extras="box", score_boxes=True
    )
    truth = [a for a in dataset["annotations"] if not a["iscrowd"]]
    poses = poses_of([{**a, "score": 0.9} for a in truth])
    boxes = np.array([a["bbox"] for a in truth], np.float32)
    poses.boxes[:] = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    evaluator.update(poses)
    metrics = evaluator.compute()
    assert metrics["box AP"] == pytest.approx(1.0)
    assert metrics["AP"] == pytest.approx(1.0)
    with pytest.raises(ValueError, match="row_extras"):
        CocoEvaluator(path, COCO, score_boxes=True)


def test_a_test_split_is_archived_and_not_scored(files, tmp_path):
    path, dataset, rows = files
    info = {"images": dataset["images"], "categories": dataset["categories"]}
    path.write_text(json.dumps(info))
    evaluator = CocoEvaluator(path, COCO, set_name="test-dev2017")
    evaluator.update(poses_of(rows))
    assert evaluator.compute() == {}
    assert not evaluator.scored
    file, archive = evaluator.write(tmp_path)
    assert archive.name == "person_keypoints_test-dev2017_efepose_results.zip"
    with zipfile.ZipFile(archive) as opened:
        (name,) = opened.namelist()
        assert name == "person_keypoints_test-dev2017_efepose_results.json"
        assert json.loads(opened.read(name)) == json.loads(file.read_text())


def test_nobody_found_and_broken_numbers(files, caplog):
    path, _, rows = files
    evaluator = CocoEvaluator(path, COCO)
    assert evaluator.compute()["AP"] == 0
    poses = poses_of(rows)
    poses.keypoints[2, 5, 0] = np.nan
    evaluator.update(poses)
    assert "left out 1 poses" in caplog.text
    assert not math.isnan(evaluator.compute()["AP"])
    assert coco_rows(Poses.empty(17), np.zeros(0), 1, "crop") == []


def test_wrong_joint_count_fails_at_start(files):
    path, _, _ = files
    nine = skeleton_from_dict({"name": "toy", "joints": [f"j{k}" for k in range(9)]}, "toy")
    with pytest.raises(DataError, match="annotates 17 joints, but the model predicts 9"):
        CocoEvaluator(path, nine)
    with pytest.raises(DataError, match="No annotation file"):
        CocoEvaluator(path.with_name("none.json"), COCO)


@pytest.mark.parametrize("soft", [False, True])
def test_reference_fixture(shared, soft):
    """Rows in file order and scores of the published evaluation on 36 predictions."""
    data = np.load(shared / "golden/data/coco_evaluate.npz", allow_pickle=False)
    kind = "soft" if soft else "hard"
    evaluator = CocoEvaluator(
        shared / "data/units/example_coco_val.json", COCO, soft_nms=soft, oks_thre=0.9
    )
    boxes = data["all_boxes"]  # centre, scale, area, score
    sizes = boxes[:, 2:4] * 200
    evaluator.update(
        Poses(
            image_ids=data["image_id"],
            keypoints=data["preds"][..., :2],
            keypoint_scores=data["preds"][..., 2],
            scores=boxes[:, 5].astype(np.float32),
            boxes=np.zeros((36, 4), np.float32),
            indices=np.arange(36),
            crops=np.concatenate([boxes[:, :2], sizes], axis=1).astype(np.float32),
        )
    )
    rows = evaluator.rows()
    assert [row["image_id"] for row in rows] == data[f"res_image_id_{kind}"].tolist()
    np.testing.assert_allclose([row["score"] for row in rows], data[f"res_score_{kind}"], atol=1e-6)
    np.testing.assert_allclose(
        [row["keypoints"] for row in rows], data[f"res_keypoints_{kind}"], atol=1e-3
    )
    found = list(evaluator.compute().values())
    assert found == pytest.approx(data[f"stats_{kind}"].tolist(), abs=1e-9)
