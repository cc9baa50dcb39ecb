"""The tools take a mix of data sets: test, doctor, browse."""

import json

import pytest
from tool_loader import load_script
from toys.mixed import write_mix

from lib.config import ConfigError

doctor = load_script("tools/doctor.py")
browse = load_script("tools/browse_dataset.py")
test = load_script("tools/test.py")


@pytest.fixture
def mix(tiny_config, synthpose):
    write_mix(tiny_config, synthpose)
    return str(tiny_config)


def test_doctor_looks_at_every_set(mix, capsys):
    assert doctor.main(["--cfg", mix])
    out = capsys.readouterr().out
    assert "23 joints: nose, " in out
    assert "crowd does not label nose, left_eye" in out
    for title in ("training data coco", "test data mpii", "boxes crowd"):
        assert f"\n{title}\n" in out
    assert not doctor.main(["--cfg", mix, "MODEL.NUM_JOINTS", "17", "DATASET.MIX.crowd.ROOT", "x"])
    out = capsys.readouterr().out
    assert "has 23 joints" in out
    assert "x/json/crowdpose_t" in out


def test_browse_shows_the_set_that_is_named(mix, tmp_path, capsys):
    browse.main(["--cfg", mix, "--set", "mpii", "--people", "1", "--out", str(tmp_path / "b")])
    assert (tmp_path / "b" / "sheet.png").is_file()
    with pytest.raises(ConfigError, match=r"no entry mpi\. Did you mean mpii"):
        browse.main(["--cfg", mix, "--set", "mpi"])


def test_a_test_scores_every_set(mix, tmp_path, capsys):
    test.main(["--cfg", mix, "--untrained", "--per-joint"])
    out = capsys.readouterr().out
    assert "on coco val2017, mpii valid, crowd test, boxes: coco annotated, " in out
    assert [line.split()[0] for line in out.splitlines() if "AP .75" in line] == ["coco", "crowd"]
    report = json.loads(next(tmp_path.rglob("metrics.json")).read_text())
    assert {row["set"] for row in report["per_joint"]} == {"coco", "crowd"}
    assert len(report["per_joint"]) == 17 + 14
    folder = next(tmp_path.rglob("metrics.json")).parent
    assert (folder / "results" / "mpii" / "pred.mat").is_file()
