import copy
import json

import numpy as np
import pytest

from lib.annotations.wholebody import KEYS
from lib.datasets.sources import locate, read_source, source_content, source_skeleton
from lib.evaluation import wholebody
from lib.evaluation.metrics import METRICS, read_subject
from lib.evaluation.more import MoreMetrics
from lib.evaluation.oks import nms_by_image, rescore
from lib.evaluation.summary import POSE_METRICS
from lib.structures.results import Poses
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import DataError


@pytest.fixture(scope="module")
def reference(shared):
    """Ground truth, result rows after rescoring and suppression, and the reference's file."""
    folder = shared / "golden/mmpose"
    file = np.load(folder / "eval_wholebody.npz")
    points, joint_scores = file["pred_keypoints"], file["pred_scores"]
    scores = rescore(joint_scores, file["box_score"], 0.2)
    areas = file["box_scale"].prod(axis=1)
    kept = nms_by_image(file["pred_image"], points, scores, areas, file["sigmas"], 0.9)
    rows = [
        {
            "image_id": int(file["pred_image"][n]),
            "category_id": 1,
            "keypoints": np.column_stack([points[n], joint_scores[n]]).ravel().tolist(),
            "score": float(scores[n]),
        }
        for n in kept
    ]
    return json.loads((folder / "eval_wholebody_gt.json").read_text()), rows, file, kept, scores


def numbers(truth, rows):
    return METRICS["wholebody"].score(read_subject("wholebody", truth, rows))


def test_kept_people_are_the_references(reference):
    _, _, file, kept, scores = reference
    found = sorted(zip(file["pred_image"][kept].tolist(), scores[kept].tolist(), strict=True))
    wanted = sorted(map(tuple, file["kept_image_row_score"][:, [0, 2]].tolist()))
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("whole", "wholebody"),
        ("body", "body"),
        ("foot", "foot"),
        ("face", "face"),
        ("left hand", "lefthand"),
        ("right hand", "righthand"),
    ],
)
def test_every_number_equals_the_reference(reference, part, name):
    truth, rows, file, *_ = reference
    found = [numbers(truth, rows)[f"{part} {metric}"] for metric in POSE_METRICS]
    assert file["stat_names"].tolist() == list(POSE_METRICS)
    assert found == pytest.approx(file[f"stats_{name}"].tolist(), abs=1e-6)


def test_sigmas_are_the_references(reference):
    assert load_skeleton("wholebody").sigmas == pytest.approx(reference[2]["sigmas"].tolist())


def small(people=3):
    """Three people in an image, found as they are; the third has no right hand."""
    rng = np.random.default_rng(0)
    truth = {
        "images": [{"id": 5, "file_name": "5.jpg", "width": 700, "height": 700}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [],
    }
    rows = []
    for person in range(people):
        points = rng.uniform(0, 60, (133, 2)) + 200 * person
        triples = np.column_stack([points, np.full(133, 2.0)])
        if person == 2:
            triples[112:] = 0
        row = {"id": person + 1, "image_id": 5, "category_id": 1, "iscrowd": 0, "area": 3600.0}
        row |= {"bbox": [200.0 * person, 200.0 * person, 60, 60], "num_keypoints": 17}
        start = 0
        for key, count in KEYS.items():
            row[key] = triples[start : start + count].ravel().tolist()
            start += count
        truth["annotations"].append(row)
        rows.append(
            {"image_id": 5, "category_id": 1, "score": 0.5}
            | {"keypoints": np.column_stack([points, np.ones(133)]).ravel().tolist()}
        )
    return truth, rows


def test_truth_as_result_scores_one_in_both_forms():
    truth, rows = small()
    apart = [
        {**row, **{key: truth["annotations"][n][key] for key in KEYS}} for n, row in enumerate(rows)
    ]
    for form in (rows, apart):
        found = numbers(copy.deepcopy(truth), form)
        assert [found[f"{part} AP"] for part in wholebody.PARTS] == pytest.approx([1.0] * 6)
    assert found["hands AP"] == pytest.approx(1.0)


def test_a_part_with_no_positive_joint_score_is_not_answered():
    truth, rows = small()
    rows[0]["keypoints"][2 + 3 * 91 : 3 * 112 : 3] = [0.0] * 21
    found = numbers(truth, rows)
    assert found["left hand AR"] == pytest.approx(2 / 3)
    assert found["right hand AR"] == pytest.approx(1.0)


def test_a_score_of_a_part_ranks_it():
    truth, rows = small()
    wrong = {**rows[0], "keypoints": [v + 500 for v in rows[0]["keypoints"]], "score": 0.1}
    rows.append(wrong)
    assert numbers(truth, rows)["face AP"] == pytest.approx(1.0)
    wrong["face_score"] = 0.9
    found = numbers(truth, rows)
    assert found["face AP"] < 0.9
    assert found["foot AP"] == pytest.approx(1.0)


def test_a_missing_part_is_named():
    truth, rows = small()
    del truth["annotations"][1]["face_kpts"]
    with pytest.raises(DataError, match=r"Annotation 2 has no numbers in 'face_kpts', wanted 204"):
        numbers(truth, rows)
    truth, rows = small()
    rows[2]["keypoints"] = rows[2]["keypoints"][:51]
    with pytest.raises(DataError, match=r"Result 2 has no numbers in 'foot_kpts', wanted 18"):
        numbers(truth, rows)


def test_the_evaluator_scores_what_a_network_found(tmp_path):
    content, rows = small()
    file = tmp_path / "wholebody.json"
    file.write_text(json.dumps(content))
    source = locate("coco_wholebody", str(tmp_path), "val2017", annotation=str(file))
    assert source.kind == "wholebody"
    truth = read_source(source, source_skeleton(source, ""))
    assert truth.skeleton.num_joints == 133
    triples = np.array([row["keypoints"] for row in rows], np.float32).reshape(3, 133, 3)
    crops = np.tile(np.array([100, 100, 60, 60], np.float32), (3, 1))
    evaluator = wholebody.WholeBodyEvaluator(truth, truth.skeleton)
    evaluator.update(
        Poses(
            image_ids=np.full(3, 5),
            keypoints=triples[..., :2],
            keypoint_scores=triples[..., 2],
            scores=np.ones(3, np.float32),
            boxes=crops,
            crops=crops,
            indices=np.arange(3),
        )
    )
    found = evaluator.compute()
    assert found[evaluator.primary] == pytest.approx(1.0)
    assert len(found) == 10 * 7
    more = MoreMetrics(evaluator, ["pck"], lambda: source_content(source, truth.skeleton))
    assert {"PCK@0.2 (<)": 1, "found": 1}.items() <= more.compute().items()


def test_a_body_alone_can_be_read_of_the_same_file(tmp_path):
    content, _ = small()
    content["categories"][0]["keypoints"] = list(load_skeleton("coco").joints)
    file = tmp_path / "wholebody.json"
    file.write_text(json.dumps(content))
    source = locate("coco", str(tmp_path), "val2017", annotation=str(file))
    assert read_source(source, None, with_segmentation=False).skeleton.num_joints == 17
