import json
import re

import pytest

from lib.certify.checking import compare_scores
from lib.certify.claim import FORM, read_claim
from lib.utils.errors import DataError

FILE = {"file": "a", "sha256": "0"}
CLAIM = {
    FORM: 1,
    "weights": FILE,
    "config": "",
    "data": {"annotation": FILE, "boxes": None, "pictures": {"1": "0"}},
    "code": "0",
    "versions": {},
    "metric": "coco",
    "scores": {"AP": 0.5, "AP (M)": None},
    "doubt": {
        "images": {"AP": 0.5, "low": 0.4, "high": 0.6, "resamples": 5},
        "seeds": None,
        "annotators": None,
    },
    "predictions": [],
}


def written(folder, content):
    path = folder / "claim.json"
    path.write_text(json.dumps(content))
    return path


def test_a_whole_claim_is_read(tmp_path):
    assert read_claim(written(tmp_path, CLAIM)) == CLAIM
    spread = {"mean": 0.5, "deviation": 0.1, "half width": 1.2}
    seeds = {"score": "AP", "values": {"1": 0.4, "2": 0.6}, **spread}
    told = {"seeds": seeds, "annotators": {"AP": 0.4, "minus first": -0.1}}
    claim = {**CLAIM, "doubt": {**CLAIM["doubt"], **told}}
    assert read_claim(written(tmp_path, claim)) == claim


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": []}, "'scores' of the claim is not"),
        ({"scores": {"AP": "x"}}, "'AP' of 'scores' of the claim is not"),
        ({"weights": None}, "'weights' of the claim is not"),
        ({"weights": {"file": "a"}}, "'weights' of the claim has no 'sha256'"),
        ({"data": {"annotation": FILE, "boxes": None}}, "has no 'pictures'"),
        ({"versions": None}, "'versions' of the claim"),
        ({"config": []}, "'config' of the claim"),
        ({"doubt": {**CLAIM["doubt"], "images": None}}, "'images' of 'doubt'"),
        ({"doubt": {**CLAIM["doubt"], "seeds": {"mean": 0.5}}}, "'seeds' of 'doubt'"),
    ],
)
def test_a_damaged_claim_is_one_sentence(tmp_path, change, message):
    with pytest.raises(DataError, match=re.escape(message)):
        read_claim(written(tmp_path, {**CLAIM, **change}))


def test_a_claim_without_doubt_is_none(tmp_path):
    rest = {key: value for key, value in CLAIM.items() if key != "doubt"}
    with pytest.raises(DataError, match="not a claim"):
        read_claim(written(tmp_path, rest))


def test_a_score_of_no_metric_is_a_fault():
    (fault,) = compare_scores({"AP": 0.5, "AP (best)": 0.99}, {"AP": 0.5})
    assert fault.startswith("AP (best) is told")
