"""The tool itself, on drawn people and a network of a few thousand weights."""

import json

import pytest
from tool_loader import load_script

from lib.utils.errors import ConfigError

stress = load_script("tools/analyse/stress.py")
pytestmark = pytest.mark.slow


@pytest.fixture
def trained(tiny_config):
    load_script("tools/train.py").main(["--cfg", str(tiny_config), "TRAIN.END_EPOCH", "1"])
    return tiny_config


def words(trained, folder, *more):
    small = ["--synthetic", "3", "--limit", "5", "--resamples", "5"]
    files = ["--json", str(folder / "out.json"), "--out", str(folder / "page.html")]
    return ["--cfg", str(trained), *small, *files, *more]


def test_curves_page_and_json(trained, tmp_path, capsys):
    factors = ["identity", "occlusion", "size"]
    curves = stress.main(words(trained, tmp_path, "--factors", ",".join(factors)))
    (own,) = curves.values()
    assert [curve.factor for curve in own] == factors
    first, second = (point.numbers for point in own[0].points)
    assert first == pytest.approx(second, nan_ok=True) or repr(first) == repr(second)  # flat
    (written,) = json.loads((tmp_path / "out.json").read_text()).values()
    assert [curve["factor"] for curve in written] == factors
    page = (tmp_path / "page.html").read_text()
    assert all(factor in page for factor in factors)
    assert "<svg" in page
    assert "occlusion" in capsys.readouterr().out
    again = stress.main(words(trained, tmp_path, "--factors", ",".join(factors)))
    assert repr(again) == repr(curves)  # same seed, same curves


def test_a_demand_that_does_not_hold_ends_with_1(trained, tmp_path, capsys):
    demand = ["--require", "AP >= 0.9 of clean at occlusion 0.4"]
    with pytest.raises(SystemExit) as end:
        stress.main(words(trained, tmp_path, *demand))
    assert end.value.code == 1
    assert "does not hold" in capsys.readouterr().out
    stress.main(words(trained, tmp_path, "--require", "AP <= 1 at occlusion 0.4"))


def test_unknown_words_are_named(trained, tmp_path):
    with pytest.raises(ConfigError, match="occlusion"):
        stress.main(words(trained, tmp_path, "--factors", "oclusion"))
    with pytest.raises(ConfigError, match="one or two models"):
        stress.main(["--synthetic", "2"])
