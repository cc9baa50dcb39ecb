"""Trainings of several seeds -> one line of the ledger."""

import hashlib
import json

import pytest
import torch
import yaml
from tool_loader import load_script

from lib.report.runs import read_runs, record_runs, summarise_runs
from lib.utils.errors import DataError


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a run folder."""
    (tmp_path / "experiments/toys").mkdir(parents=True)
    (tmp_path / "experiments/toys/tiny.yaml").write_text("")

    def make(seed, score, rate=0.1, root="data/toys", **lines):
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
        if seed:  # a key that came between the runs
            settings["TRAIN"]["WORST"] = 8
        settings["DATASET"] = {"ROOT": root, "TEST_SET": "val"}
        (folder / "config.yaml").write_text(yaml.safe_dump(settings))
        return folder

    return make


def test_the_folders_of_a_machine_stay_there(write):
    run = summarise_runs("toys/tiny", [write(n, 0.2, root="/home/me/toys") for n in (0, 1)], "AP")
    assert run["dataset"] == "toys val"


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


def test_one_run_alone_has_an_interval_over_pictures(tiny_config, tmp_path):
    load_script("tools/train.py").main(["--cfg", str(tiny_config), "TRAIN.END_EPOCH", "1"])
    (folder,) = (file.parent for file in (tmp_path / "output").rglob("final_state.pth"))
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    run = summarise_runs("toys/tiny", [folder], "AP")
    low, high = run["interval"]
    assert run["value"] == [line["AP"] for line in lines if line["kind"] == "val"][-1]
    assert 0 <= low <= run["value"] <= high <= 1
    last = {**next(line for line in lines[::-1] if line["kind"] == "val"), "AP": 0.75}
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(last) + "\n")
    with pytest.raises(DataError, match="of another evaluation"):
        summarise_runs("toys/tiny", [folder], "AP")


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
        ([one], "one run alone has an interval for AP, from its results"),
        ([one, one], r"different seeds are wanted; these have \[0, 0\]"),
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
