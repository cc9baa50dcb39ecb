import numpy as np
import pytest
from textbook.random_coco import random_coco

from lib.evaluation.bootstrap import paired_bootstrap
from lib.evaluation.breakdown import all_matches
from lib.evaluation.diagnosis import diagnose
from lib.evaluation.table import read_table
from lib.structures.skeleton import load_skeleton

COCO = load_skeleton("coco")


def matches_of(dataset, rows):
    return all_matches(diagnose(read_table(dataset, rows, COCO.sigmas)[0], COCO))


@pytest.fixture(scope="module")
def runs():
    dataset, rows = random_coco(0, images=30)
    worse = [row for number, row in enumerate(rows) if number % 3]
    return matches_of(dataset, rows), matches_of(dataset, worse)


def test_difference_and_interval(runs):
    better, worse = runs
    found = paired_bootstrap(worse, better, resamples=200)
    assert found.low < found.ap < found.high
    assert found.ap > 0
    assert found.better > 0.9
    again = paired_bootstrap(better, worse, resamples=200)
    assert (again.ap, again.low, again.high) == pytest.approx((-found.ap, -found.high, -found.low))
    narrow = paired_bootstrap(worse, better, resamples=200, confidence=0.5)
    assert narrow.high - narrow.low < found.high - found.low


def test_a_run_equals_itself(runs):
    found = paired_bootstrap(runs[0], runs[0], resamples=20)
    assert (found.ap, found.low, found.high, found.better) == (0, 0, 0, 0.5)


def test_runs_over_other_images_are_refused(runs):
    other = matches_of(*random_coco(1, images=30))
    with pytest.raises(ValueError, match="same images"):
        paired_bootstrap(runs[0], other)


def test_nobody_to_find():
    dataset, rows = random_coco(0)
    dataset["annotations"] = []
    found = matches_of(dataset, rows)
    assert np.isnan(paired_bootstrap(found, found, resamples=3).low)
