import numpy as np
import pytest
from textbook.random_coco import random_coco

from lib.evaluation import summary
from lib.evaluation.matching import pose_candidates
from lib.evaluation.table import read_table

SIGMAS = np.full(17, 0.06)


def test_tables_have_an_axis_for_everything():
    dataset, rows = random_coco(0, images=20)
    dataset["categories"].append({**dataset["categories"][0], "id": 9})
    table, sigmas = read_table(dataset, rows, SIGMAS)
    precision, recall = summary.coco_tables(
        pose_candidates(table, sigmas), summary.POSE_SIZES, (1, 5)
    )
    assert precision.shape == (10, 101, 2, 3, 2)
    assert recall.shape == (10, 2, 3, 2)
    assert np.isnan(precision[:, :, 1]).all()  # nothing of the second category
    assert (recall[:, 0, 0, 0] <= recall[:, 0, 0, 1]).all()
    assert (np.diff(recall[:, 0, 0, 1]) <= 0).all()


def test_means_leave_out_what_is_not_known():
    assert summary.known_mean(np.array([0.5, np.nan, 1.0])) == pytest.approx(0.75)
    assert np.isnan(summary.known_mean(np.array([np.nan])))
