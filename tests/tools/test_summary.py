"""The cost table: many files, overrides, JSON, mistakes."""

import json
from pathlib import Path

import pytest
from tool_loader import load_script

from lib.utils.errors import ConfigError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def summary():
    return load_script(ROOT / "tools" / "summary.py")


@pytest.fixture
def files(tmp_path):
    sizes = "IMAGE_SIZE: [192, 256], HEATMAP_SIZE: [48, 64]"
    for name, layers in (("res18", 18), ("res50", 50)):
        text = f"MODEL: {{NAME: pose_resnet, {sizes}, EXTRA: {{NUM_LAYERS: {layers}}}}}\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    return [str(tmp_path / "res18.yaml"), str(tmp_path / "res50.yaml")]


def test_json_holds_integers(summary, files, capsys):
    summary.main(["--cfg", *files, "MODEL.NUM_JOINTS", "16", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert [row["cfg"] for row in rows] == files
    assert rows[1]["params"] == 33_999_697 - 257
    assert rows[1]["macs"] == 5_426_380_800 - 256 * 64 * 48
    assert rows[1]["attention_macs"] == 0
    assert rows[1]["legacy_macs"] == 9_654_239_232 - 256 * 64 * 48


def test_table_names_every_convention(summary, files, capsys):
    summary.main(["--cfg", files[1]])
    out = capsys.readouterr().out
    assert "res50" in out
    for text in ("34.000", "5.426", "8.991", "legacy / 2^30", "transposed convolutions"):
        assert text in out


def test_mistakes(summary, files, capsys):
    with pytest.raises(ConfigError, match="Did you mean"):
        summary.main(["--cfg", *files, "MODEL.NUM_JOINT=16"])
    with pytest.raises(SystemExit):
        summary.main(["--cfg", "MODEL.NUM_JOINTS", "3"])
    with pytest.raises(SystemExit):
        summary.main(["--cfg", files[0], "--jsn"])


@pytest.mark.parametrize("rois", ["-3", "0"])
def test_a_number_of_people_below_one_is_refused(summary, files, capsys, rois):
    with pytest.raises(SystemExit) as stop:
        summary.main(["--cfg", files[0], "--rois", rois])
    assert stop.value.code == 2
    assert f"got {rois}" in capsys.readouterr().err
