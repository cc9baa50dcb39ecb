import json

import pytest
from textbook.random_coco import random_coco

from lib.evaluation.scoring import compare, score_file
from lib.report.scores import outcome_sentence, score_page, score_table
from lib.structures.skeleton import load_skeleton


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scores")
    content, rows = random_coco(1, images=60)
    content["categories"][0]["keypoints"] = list(load_skeleton("coco").joints)
    for name, part in (("gt", content), ("good", rows), ("worse<b>", rows[::9])):
        (folder / f"{name}.json").write_text(json.dumps(part))
    return [score_file(folder / "gt.json", folder / f"{n}.json") for n in ("good", "worse<b>")]


def test_a_file_per_column(scored):
    heads, rows = score_table(scored)
    assert heads == ["", "good.json", "worse<b>.json"]
    assert rows[0][0] == "AP"
    assert float(rows[0][1]) > float(rows[0][2])


def test_the_page_says_what_differs(scored):
    difference = compare(*scored, resamples=100)
    assert "a real difference" in outcome_sentence(*scored, difference)
    page = score_page("gt.json", scored, [(scored[1], difference)])
    assert "worse&lt;b&gt;.json" in page
    assert "worse<b>" not in page
    assert "By joint" in page
    alone = score_page("gt.json", scored[:1], [])
    assert "Precision and recall" in alone
