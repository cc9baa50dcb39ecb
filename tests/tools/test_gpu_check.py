"""The check of a GPU in small: one command, one JSON, one table."""

import json

import pytest
from tool_loader import load_script

tool = load_script("tools/speed/gpu_check.py")


def words(synthpose, cfg, out):
    data = ["--data", str(synthpose / "coco")]
    return ["--short", *data, "--cfg", str(cfg), "--out", str(out)]


def test_json_and_table(tiny_config, synthpose, tmp_path, capsys):
    out = tmp_path / "check.json"
    parts = ["train", "rank", "ahead", "test"]
    tool.main([*words(synthpose, tiny_config, out), "--parts", *parts])
    report = json.loads(out.read_text())
    names = [row["check"].split()[0] for row in report["checks"]]
    assert names == parts
    assert {row["outcome"] for row in report["checks"]} == {"passed"}
    assert report["checks"][0]["figures"]["precision"] == "bfloat16"
    table = capsys.readouterr().out.splitlines()
    assert table[0].startswith("processor")
    assert [line.split()[0] for line in table[1:]] == ["check", *parts]


def test_a_failure_is_told_in_json_table_and_code(tiny_config, synthpose, tmp_path, capsys):
    tiny_config.write_text(tiny_config.read_text().replace("pose_hrnet", "pose_nothing"))
    out = tmp_path / "check.json"
    with pytest.raises(SystemExit) as left:
        tool.main([*words(synthpose, tiny_config, out), "--parts", "train"])
    assert left.value.code == 1
    (row,) = json.loads(out.read_text())["checks"]
    assert row["outcome"] == "failed"
    assert "pose_nothing" in row["reason"]
    assert "failed" in capsys.readouterr().out


def test_every_model_of_the_full_check_is_there():
    assert [str(file) for file in (*tool.MODELS, *tool.SMALL) if not file.is_file()] == []


@pytest.mark.slow
def test_stages(tiny_config, synthpose, tmp_path):
    out = tmp_path / "check.json"
    tool.main([*words(synthpose, tiny_config, out), "--parts", "stages"])
    (row,) = json.loads(out.read_text())["checks"]
    assert {"forward", "train_step", "group"} <= row["figures"].keys()
