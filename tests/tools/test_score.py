import json
import subprocess
import sys

import pytest
from textbook.random_coco import random_coco
from tool_loader import ROOT, load_script

from lib.structures.skeleton import load_skeleton
from lib.utils.errors import ConfigError


@pytest.fixture
def files(tmp_path):
    content, rows = random_coco(1, images=20)
    content["categories"][0]["keypoints"] = list(load_skeleton("coco").joints)
    for name, part in (("gt", content), ("good", rows), ("worse", rows[::3])):
        (tmp_path / f"{name}.json").write_text(json.dumps(part))
    return tmp_path


def test_numbers_json_and_page(files, capsys):
    tool = load_script("tools/analyse/score.py")
    names = [str(files / f"{name}.json") for name in ("gt", "good", "worse")]
    tool.main([*names, "--resamples", "50", "--out", str(files / "a/page.html"), "--per-joint"])
    printed = capsys.readouterr().out
    assert "ranked by AP" in printed
    assert "left_elbow" in printed
    assert "may be luck" in printed  # twenty images tell little
    page = (files / "a/page.html").read_text()
    assert "worse.json" in page
    assert "What each kind of error costs" in page
    tool.main([*names[:2], "--json", "-"])
    (only,) = json.loads(capsys.readouterr().out)
    assert only["metrics"]["AP"] > 0
    tool.main([*names, "--resamples", "20", "--json", str(files / "s.json")])
    second = json.loads((files / "s.json").read_text())[1]
    assert second["minus first"]["ap"] < 0
    tool.main([*names[:2], "--out", str(files / "one.html")])
    assert "Why the score is not higher" in (files / "one.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gt.json", "none.json"], "none.json"),
        (["none.json", "good.json"], "none.json"),
        (["gt.json", "good.json", "--metric", "cocoa"], "Did you mean coco"),
        (["gt.json", "good.json", "--sigmas", "0.1"], "wanted 17"),
        (["good.json", "gt.json"], "not a COCO annotation file"),
    ],
)
def test_a_mistake_is_one_sentence(files, arguments, message):
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/analyse/score.py"), *arguments],
        cwd=files,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_a_metric_of_the_users_own(files, capsys):
    (files / "mine.py").write_text(
        "from lib.evaluation.metrics import METRICS, metric\n\n\n"
        "@METRICS.register('test: rows')\n"
        "@metric(primary='rows')\n"
        "def rows(subject):\n"
        "    return {'rows': float(len(subject.rows))}\n"
    )
    tool = load_script("tools/analyse/score.py")
    names = [str(files / f"{name}.json") for name in ("gt", "good")]
    own = ["--imports", str(files / "mine.py"), "--metric", "test: rows", "--json", "-"]
    (only,) = tool.main([*names, *own])
    assert only["metrics"]["rows"] == len(json.loads((files / "good.json").read_text()))
    capsys.readouterr()
    with pytest.raises(ConfigError, match=r"--imports.*no such file"):
        tool.main([*names, "--imports", str(files / "none.py")])


def test_results_of_two_runs_have_their_folders_names(files, capsys):
    for run in ("first", "second"):
        (files / run).mkdir()
        (files / run / "r.json").write_bytes((files / "good.json").read_bytes())
    tool = load_script("tools/analyse/score.py")
    names = [str(files / name) for name in ("gt.json", "first/r.json", "second/r.json")]
    tool.main([*names, "--resamples", "5"])
    assert capsys.readouterr().out.splitlines()[1].split() == ["first/r.json", "second/r.json"]


@pytest.mark.parametrize("draws", ["-3", "0"])
def test_a_bootstrap_without_draws_is_refused(draws, capsys):
    with pytest.raises(SystemExit) as end:
        load_script("tools/analyse/score.py").parse_args(["gt", "a", "b", "--resamples", draws])
    assert end.value.code == 2
    assert f"at least 1, got {draws}" in capsys.readouterr().err
