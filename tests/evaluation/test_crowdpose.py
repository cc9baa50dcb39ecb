import math

import numpy as np
import pytest
from textbook.random_coco import random_coco

from lib.evaluation import CrowdPoseEvaluator, evaluate_crowdpose
from lib.structures.results import Poses
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import DataError
from lib.utils.files import read_json

CROWDPOSE = load_skeleton("crowdpose")


@pytest.mark.parametrize("evaluator", ["pycocotools", "fast"])
def test_reference_fixture(shared, evaluator):
    stem = str(shared / "golden/bottomup/crowdpose_eval")
    wanted = read_json(f"{stem}_stats.json")
    found = evaluate_crowdpose(f"{stem}_gt.json", f"{stem}_pred.json", evaluator=evaluator)
    assert list(found.values()) == pytest.approx(list(wanted.values()), abs=1e-12)


def test_subsets_by_crowd_index_and_the_area_rule():
    dataset, rows = random_coco(1, images=40, joints=14, crowd_index=True)
    found = evaluate_crowdpose(dataset, rows)
    assert all(0 < value < 1 for value in found.values())
    for annotation in dataset["annotations"]:
        annotation["area"] *= 100  # the file's areas do not count, its boxes do
    assert evaluate_crowdpose(dataset, rows) == found
    for image in dataset["images"]:
        image["crowdIndex"] = min(image["crowdIndex"], 0.79)
    again = evaluate_crowdpose(dataset, rows)
    assert math.isnan(again["AP (hard)"])
    assert again["AP (easy)"] == found["AP (easy)"]
    assert again["AP (medium)"] != found["AP (medium)"]


@pytest.mark.parametrize(("index", "subset"), [(0.0, "easy"), (0.8, "hard")])
def test_a_subset_boundary_belongs_to_the_harder_side(index, subset):
    dataset, rows = random_coco(1, images=4, joints=14, crowd_index=True)
    for image in dataset["images"]:
        image["crowdIndex"] = index
    found = evaluate_crowdpose(dataset, rows)
    assert math.isnan(found["AP (medium)"])
    assert found[f"AP ({subset})"] == pytest.approx(found["AP"], abs=5e-5)


def test_a_file_without_crowd_index():
    dataset, rows = random_coco(0, joints=14)
    with pytest.raises(DataError, match="crowdIndex"):
        evaluate_crowdpose(dataset, rows)


def test_evaluator_gives_the_nine_numbers(shared):
    stem = str(shared / "golden/bottomup/crowdpose_eval")
    rows = read_json(f"{stem}_pred.json")
    triples = np.array([row["keypoints"] for row in rows], np.float64).reshape(-1, 14, 3)
    evaluator = CrowdPoseEvaluator(
        f"{stem}_gt.json", CROWDPOSE, rescore_poses=False, oks_thre=0, row_extras="extent"
    )
    evaluator.update(
        Poses(
            image_ids=np.array([row["image_id"] for row in rows]),
            keypoints=triples[..., :2],
            keypoint_scores=triples[..., 2],
            scores=np.array([row["score"] for row in rows]),
            boxes=np.zeros((len(rows), 4), np.float32),
            indices=np.arange(len(rows)),
            crops=np.zeros((len(rows), 4), np.float32),
        )
    )
    wanted = read_json(f"{stem}_stats.json")
    assert list(evaluator.compute().values()) == pytest.approx(list(wanted.values()), abs=1e-9)
