"""Sentences that a model has to keep."""

import pytest

from lib.stress.curves import Curve, Estimate, Point
from lib.stress.demand import read_demand
from lib.stress.factors import FACTORS
from lib.utils.errors import ConfigError


def curve(clean, changed):
    points = [
        Point(level, 9, {"AP": Estimate(ap, ap, ap)}, Estimate(ap / clean, 0, 1))
        for level, ap in ((0.0, clean), (0.4, changed))
    ]
    return Curve("occlusion", "share", tuple(points))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("AP >= 0.9 of clean at occlusion 0.4", False),
        ("AP >= 0.5 of clean at occlusion 0.4", True),
        ("AP > 0.44 at occlusion 0.4", False),
        ("AP>=.4 at occlusion 0.4", True),
        ("AP < 0.5 at  occlusion 0.4", True),
    ],
)
def test_bounds(text, holds):
    assert read_demand(text).judge([curve(0.8, 0.44)]) == (
        holds,
        pytest.approx(0.55 if "clean" in text else 0.44),
    )


def test_nan_holds_nowhere():
    assert not read_demand("AP <= 1 at occlusion 0.4").judge([curve(0.8, float("nan"))])[0]


def test_its_level_is_measured():
    demand = read_demand("AP >= 0.9 of clean at lower part covered 0.2")
    assert demand.with_level(FACTORS[demand.factor]).levels == (0.0, 0.15, 0.2, 0.3, 0.45, 0.6)


@pytest.mark.parametrize("text", ["AP", "AP = 3 at occlusion 1", "AP >= 1 at oclusion 0.4"])
def test_wrong_ones_are_named(text):
    with pytest.raises(ConfigError, match=r"is not a demand|Did you mean occlusion"):
        read_demand(text)


def test_unknown_numbers_are_named():
    with pytest.raises(ConfigError, match="no number 'APP'"):
        read_demand("APP >= 0.1 at occlusion 0.4").judge([curve(0.8, 0.4)])
