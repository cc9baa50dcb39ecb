"""Trainings of several seeds -> one line of the ledger."""

import hashlib
import json

import pytest
import torch
import yaml

from lib.report.runs import read_runs, record_runs
from lib.utils.errors import DataError


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a run folder."""
    (tmp_path / "experiments/toys").mkdir(parents=True)
    (tmp_path / "experiments/toys/tiny.yaml").write_text("")

    def make(seed, score, rate=0.1, **lines):
        folder = tmp_path / f"seed{seed}"
        folder.mkdir()
        meta = {
            "task": "topdown",
            "config": "x",
            "boxes": "annotated",
            "data": [{"file": "a", "sha256": "ab" * 32}],
        }
        torch.save({"state_dict": {}, "meta": {**meta, "n": seed}}, folder / "final_state.pth")
        rows = [
            {"kind": "val", "AP": 0.0},
            {"kind": "train"},
            {"kind": "val", "AP": score, **lines},
        ]
        (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
        settings = {"SEED": seed, "OUTPUT_DIR": f"out{seed}", "TRAIN": {"LR": rate}}
        settings["DATASET"] = {"ROOT": "data/toys", "TEST_SET": "val"}
        (folder / "config.yaml").write_text(yaml.safe_dump(settings))
        return folder

    return make


def test_mean_and_interval_over_seeds(write, tmp_path):
    folders = [write(seed, score) for seed, score in ((2, 0.5), (0, 0.2), (1, 0.2))]
    record_runs(tmp_path / "experiments", "toys/tiny", folders, "AP")
    (run,) = read_runs(tmp_path / "experiments")["toys/tiny"]
    assert run["value"] == pytest.approx(0.3)
    # Student's t of two degrees of freedom, 4.302653, times sqrt(0.03 / 3)
    assert run["interval"] == pytest.approx([0.3 - 0.4302653, 0.3 + 0.4302653], abs=1e-6)
    assert run["seeds"] == [0, 1, 2]
    assert run["dataset"] == "data/toys val"
    assert (run["boxes"], run["data"]) == ("annotated", ["ab" * 32])
    first = hashlib.sha256((tmp_path / "seed0/final_state.pth").read_bytes()).hexdigest()
    assert run["weights"][0] == first
    assert len(set(run["weights"])) == 3


def test_newer_runs_replace_older_ones(write, tmp_path):
    folders = [write(seed, 0.1 * seed) for seed in range(1, 4)]
    for some in (folders[:2], folders):
        record_runs(tmp_path / "experiments", "toys/tiny", some, "AP")
    (run,) = read_runs(tmp_path / "experiments")["toys/tiny"]
    assert run["seeds"] == [1, 2, 3]


def test_runs_that_cannot_be_compared_are_refused(write, tmp_path):
    one, other = write(0, 0.1), write(1, 0.2, rate=0.3)
    root = tmp_path / "experiments"
    for folders, message in (
        ([one], r"several seeds are wanted, each once; these have \[0\]"),
        ([one, one], r"each once; these have \[0, 0\]"),
        ([one, other], "differ in more than seeds: settings"),
        ([one, tmp_path], "holds no finished run"),
    ):
        with pytest.raises(DataError, match=message):
            record_runs(root, "toys/tiny", folders, "AP")
    with pytest.raises(DataError, match="has no score PCK"):
        record_runs(root, "toys/tiny", [one, other], "PCK")
    with pytest.raises(DataError, match="There is no experiment"):
        record_runs(root, "toys/none", [one, write(2, 0.3)], "AP")
    assert not (root / "runs.json").exists()
