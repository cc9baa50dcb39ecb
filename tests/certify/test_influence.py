import numpy as np
import pytest
from textbook.random_coco import random_coco

from lib.certify.influence import Evidence, least_size, most_inflation, slack
from lib.structures.skeleton import load_skeleton


def evidence_of(seed, images=25):
    content, rows = random_coco(seed, images=images)
    content["categories"][0]["keypoints"] = list(load_skeleton("coco").joints)
    return content, rows, Evidence.read("coco", content, rows)


def test_scores_are_those_of_the_metric():
    _, rows, evidence = evidence_of(0)
    assert evidence.average_precision == pytest.approx(evidence.numbers["AP"], abs=1e-12)
    assert evidence.joined(rows) == rows


@pytest.mark.parametrize("seed", range(12))
def test_no_change_of_few_images_gains_more_than_the_bound(seed):
    """Claimed: anything. Honest: in some images all poses are wrong, with the best scores."""
    content, rows, claimed = evidence_of(seed)
    rng = np.random.default_rng(seed)
    table = claimed.subject.table
    count = len(table.image_ids)
    people = np.bincount(table.truth_cell[~table.ignored], minlength=count)
    poses = np.bincount(table.found_cell, minlength=count)
    for many in (1, 2, 5):
        chosen = rng.choice(count, many, replace=False)
        labels = {table.image_ids[n] for n in chosen}
        honest = [
            {**row, "score": 2.0, "keypoints": [v + 5000 for v in row["keypoints"]]}
            if row["image_id"] in labels
            else row
            for row in rows
        ]
        gain = claimed.average_precision - Evidence.read("coco", content, honest).average_precision
        size = int(np.maximum(people, poses)[chosen].sum())
        bound = most_inflation(claimed.matches, size)
        assert gain <= bound + 1e-12
    assert bound > 0


def test_the_bound_grows_and_is_found_back():
    _, _, evidence = evidence_of(1, images=60)
    bounds = [most_inflation(evidence.matches, size) for size in range(60)]
    assert bounds[0] == 0
    assert (np.diff(bounds) >= -1e-12).all()
    for wanted in (0.003, 0.05, 0.2):
        size = least_size(evidence.matches, wanted)
        assert bounds[size] >= wanted > bounds[size - 1]
    assert least_size(evidence.matches, 0.9999) > 10_000  # AP is not so high


def test_slack_is_what_changes_below_the_tolerance_bring(monkeypatch):
    _, _, evidence = evidence_of(2, images=60)
    small = slack(evidence.subject, evidence.matches)
    assert 0 <= small < 0.003  # people here are down to 20 pixels
    monkeypatch.setattr("lib.certify.influence.JOINT_TOLERANCE", 5.0)
    assert slack(evidence.subject, evidence.matches) > 0.05
    monkeypatch.setattr("lib.certify.influence.JOINT_TOLERANCE", 0.0)
    monkeypatch.setattr("lib.certify.influence.SCORE_TOLERANCE", 2.0)  # all others come first
    assert slack(evidence.subject, evidence.matches) > 0.05
