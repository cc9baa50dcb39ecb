"""The page of all experiments: what a row says, and that the page here is the newest."""

import json

import pytest

from lib.report.costs import summarise
from lib.report.ledger import ledger
from lib.utils.errors import DataError
from lib.zoo.index import EXPERIMENTS

RUN = {
    "experiment": "toys/tiny",
    "metric": "AP",
    "value": 0.5124,
    "interval": [0.49, 0.53],
    "dataset": "coco val2017",
    "boxes": "annotated",
    "seeds": [1, 2],
    "data": ["ab" * 32],
    "weights": ["cd" * 32, "ef" * 32],
}


def cost(file):
    del file
    return {"params": 1_234_567, "table": 7.891, "convention": "macs / 1e9"}


@pytest.fixture
def root(tmp_path):
    (tmp_path / "toys").mkdir()
    (tmp_path / "_base_").mkdir()
    (tmp_path / "_base_/hidden.yaml").write_text("")
    for name in ("tiny", "other"):
        (tmp_path / f"toys/{name}.yaml").write_text("")
    return tmp_path


def rows(page):
    return [line for line in page.splitlines() if line.startswith("| `")]


def test_a_row_per_experiment_with_cost_weights_and_runs(root, own_index):
    result = {"dataset": "COCO val2017", "boxes": "detector", "metrics": {"AP": 0.75}}
    entry = {"url": "https://x.invalid/w.pth", "results": [result]}
    own_index({"weights": {"mine": entry}, "experiments": {"toys/tiny": "mine"}})
    (root / "runs.json").write_text(json.dumps([RUN]))
    other, tiny = rows(ledger(root, cost))
    assert other == "| `other` | 1.23 | 7.89 | macs / 1e9 |  |  |  |"
    assert "| AP 0.75 on COCO val2017, boxes: detector | `mine` |" in tiny
    assert "AP 0.512 (0.490 to 0.530) on coco val2017, boxes: annotated, seeds 1, 2" in tiny
    assert f"data {'ab' * 6}, weights {'cd' * 6} {'ef' * 6} |" in tiny


def test_claims_stand_before_the_tables(root, home):
    (root / "claims.md").write_text("## Claims\n\n| claim | verdict |\n", encoding="utf-8")
    page = ledger(root, cost)
    assert page.index("# Experiments") < page.index("| claim | verdict |") < page.index("## toys")


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"experiment": "toys/none"}, "no experiment toys/none"), ({"seed": 1}, "exactly")],
)
def test_wrong_runs_are_one_sentence(root, changes, words, home):
    (root / "runs.json").write_text(json.dumps([{**RUN, **changes}]))
    with pytest.raises(DataError, match=words):
        ledger(root, cost)


def test_the_cost_is_that_of_the_published_table():
    found = summarise(EXPERIMENTS / "coco/hrnet/w32_256x192_adam_lr1e-3.yaml")
    assert found["params"] == 28_536_113
    assert found["table"] == pytest.approx(7.12, abs=0.001)
    assert found["input"] == "256x192"


@pytest.mark.slow
def test_the_page_in_the_repository_is_the_newest(home):
    assert (EXPERIMENTS / "README.md").read_text(encoding="utf-8") == ledger(EXPERIMENTS)
