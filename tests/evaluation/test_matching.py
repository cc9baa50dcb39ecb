import numpy as np
import pytest
from textbook.random_coco import random_coco

from lib.evaluation import coco, curves, matching
from lib.evaluation.pairs import mean_similarity, similarities
from lib.evaluation.table import read_table
from lib.structures.skeleton import load_skeleton

SIGMAS = np.array(load_skeleton("coco").sigmas)


def matched(dataset, rows, sigmas, **options):
    table, sigmas = read_table(dataset, rows, sigmas)
    images = list(table.images())
    overlaps = [mean_similarity(similarities(image, sigmas), image.visible) for image in images]
    return matching.match_images(images, overlaps, **options)


@pytest.mark.parametrize("joints", [17, 5])
@pytest.mark.parametrize("options", [{}, {"boxes": True}, {"areas": (100.0, 20_000.0)}])
def test_average_precision_and_recall_equal_pycocotools(joints, options):
    sigmas = SIGMAS[:joints]
    for seed in range(3):
        dataset, rows = random_coco(seed, images=20, joints=joints, **options)
        wanted = coco.evaluate_coco(dataset, rows, sigmas, evaluator="pycocotools")
        for name, size_range in {
            "": matching.ALL_SIZES,
            " (M)": (32**2, 96**2),
            " (L)": (96**2, 1e10),
        }.items():
            found = matched(dataset, rows, sigmas, size_range=size_range)
            precision, recall = curves.precision_curves(found)
            assert precision.mean() == pytest.approx(wanted[f"AP{name}"], abs=1e-9, nan_ok=True)
            assert recall.mean() == pytest.approx(wanted[f"AR{name}"], abs=1e-9, nan_ok=True)
            if not name:
                assert precision[5].mean() == pytest.approx(wanted["AP .75"], abs=1e-9)


def test_nobody_found_and_nobody_to_find():
    dataset, rows = random_coco(0)
    assert curves.average_precision(matched(dataset, [], SIGMAS)) == 0
    dataset["annotations"] = []
    assert np.isnan(curves.average_precision(matched(dataset, rows, SIGMAS)))


def test_greedy_matching_by_hand():
    overlaps = np.array([[0.6, 0.9, 0.95], [0.7, 0.8, 0.95], [0.55, 0.9, 0.95]])
    ignored = np.array([False, False, True])
    taken = matching.match_people(overlaps, ignored, ignored, np.array([0.5, 0.75]))
    # The best takes 1; at 0.5 the second gets 0 and the third the crowd; at 0.75 both the crowd.
    assert taken.tolist() == [[1, 0, 2], [1, 2, 2]]
    once = matching.match_people(overlaps, ignored, np.zeros(3, bool), np.array([0.75]))
    assert once.tolist() == [[1, 2, -1]]


def test_of_equally_similar_people_the_later_is_taken():
    nobody = np.zeros(3, bool)
    taken = matching.match_people(np.array([[0.7, 0.9, 0.9]]), nobody, nobody, np.array([0.5]))
    assert taken.tolist() == [[2]]


def test_weights_count_images_again():
    dataset, rows = random_coco(3, images=12)
    for number, row in enumerate(rows):
        row["score"] = number / len(rows)  # no ties
    found = matched(dataset, rows, SIGMAS)
    weights = np.zeros(12)
    weights[[1, 4, 5]] = 1
    kept = {dataset["images"][i]["id"] for i in (1, 4, 5)}
    part = {k: [v for v in vs if v.get("image_id", v["id"]) in kept] for k, vs in dataset.items()}
    part["categories"] = dataset["categories"]
    wanted = matched(part, [row for row in rows if row["image_id"] in kept], SIGMAS)
    assert curves.average_precision(found, weights) == pytest.approx(
        curves.average_precision(wanted), abs=1e-12
    )
    assert curves.average_precision(found, np.full(12, 3)) == pytest.approx(
        curves.average_precision(found), abs=1e-12
    )
