"""Sweeps in small: they run, count and draw; times are not judged."""

import json

import cv2
import pytest
from tool_loader import load_script

from lib.benchmark.scaling import exponent

tool = load_script("tools/scaling.py")


def test_every_quantity_grows_and_is_drawn(tiny_config, tmp_path, capsys):
    picture = tmp_path / "plots.png"
    tool.main(["--short", "--json", "--cfg", str(tiny_config), "--out", str(picture)])
    report = json.loads(capsys.readouterr().out)
    assert {name.partition(":")[0] for name in report} == {*tool.AMOUNTS, "machine"}
    for name in report.keys() - {"machine"}:
        amounts = tool.AMOUNTS[name.partition(":")[0]][:2]
        assert [row["amount"] for row in report[name]] == list(amounts)
        assert all(row["seconds"] > 0 for row in report[name])
    assert cv2.imread(str(picture)).std() > 5


def test_exponent_of_a_power_law():
    rows = [{"amount": n, "seconds": 3e-4 * n**1.5} for n in (1, 4, 9, 30)]
    assert exponent(rows) == pytest.approx(1.5)
