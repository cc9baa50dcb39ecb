"""The benchmark in small: every stage equals its textbook form; times are not judged."""

import json

import numpy as np
import pytest
import torch
from tool_loader import load_script

from lib.benchmark.timing import Stage, measure
from lib.utils.errors import ConfigError

benchmark = load_script("tools/benchmark.py")
STAGES = [
    "train_data", "test_data", "decode", "group", "nms", "evaluate",
    "forward", "train_step", "end_to_end",
]  # fmt: skip


def test_every_stage_equals_its_textbook(tiny_config, synthpose, capsys):
    words = ["--short", "--json", "--cfg", str(tiny_config), "--data", str(synthpose / "coco")]
    benchmark.main(words)
    report = json.loads(capsys.readouterr().out)
    assert list(report) == [*STAGES, "machine"]
    for name in STAGES:
        row = report[name]
        assert row["ours"] > 0, name
        assert row["ratio"] == pytest.approx(row["textbook"] / row["ours"]), name
        assert len(row["spread"]) == 2, name
    assert set(benchmark.NOTES) <= report["train_data"].keys()
    assert {"processor", "cores", "device", "torch"} <= report["machine"].keys()


def test_table_of_chosen_stages(tiny_config, synthpose, capsys):
    words = ["--short", "--cfg", str(tiny_config), "--data", str(synthpose / "coco")]
    benchmark.main([*words, "--stages", "nms", "decode"])
    table = capsys.readouterr().out.splitlines()
    assert table[0].startswith("processor")
    assert [line.split()[0] for line in table[1:]] == ["stage", "nms", "decode"]


def test_forms_that_disagree_are_not_timed():
    runs = []
    stage = Stage(
        ours=lambda: runs.append("ours") or np.ones(3),
        textbook=lambda: np.zeros(3),
        check=np.testing.assert_array_equal,
        units=1,
        unit="person",
    )
    with pytest.raises(AssertionError):
        measure(stage, 5, torch.device("cpu"))
    assert runs == ["ours"]


def test_only_what_reads_heatmaps(synthpose):
    words = ["--short", "--data", str(synthpose / "coco"), "--stages", "decode"]
    with pytest.raises(ConfigError, match="TARGET_TYPE 'simcc' something else; take a config"):
        benchmark.main([*words, "--cfg", "experiments/synthpose/codecs/simcc.yaml"])


def test_only_top_down_models(tmp_path, synthpose):
    path = tmp_path / "bottomup.yaml"
    path.write_text("MODEL: {NAME: keypoint_rcnn}\n")
    with pytest.raises(ConfigError, match="top-down"):
        benchmark.main(["--short", "--cfg", str(path), "--data", str(synthpose / "coco")])
