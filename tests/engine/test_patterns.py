import pytest
from toys.toy_task import ToyNet

from lib.engine.patterns import check_patterns, matches, matches_any
from lib.utils.errors import ConfigError


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("backbone", ["backbone", "backbone.conv1.weight"], ["backbone2.x", "a.backbone"]),
        ("backbone.layer[12]", ["backbone.layer2.0.bn1.bias"], ["backbone.layer3.0.bn1.bias"]),
        ("*.bn?", ["backbone.layer2.0.bn1.bias"], ["backbone.bn.bias", "bn1.bias"]),
        ("head.final_layer.bias", ["head.final_layer.bias"], ["head.final_layer.weight"]),
    ],
)
def test_a_pattern_means_what_it_names_and_all_below(pattern, yes, no):
    assert all(matches(name, pattern) for name in yes)
    assert not any(matches(name, pattern) for name in no)


def test_one_of_several_patterns_is_enough():
    assert matches_any("a.b", ["c", "a"])
    assert not matches_any("a.b", [])


def test_a_pattern_that_means_nothing_is_refused_with_the_nearest_name():
    check_patterns(ToyNet(), ["conv", "*.weight", "table"], "TRAIN.FREEZE")
    for wrong, near in (("norms", "norm"), ("conv.wieght", "conv.weight"), ("tabel", "table")):
        with pytest.raises(
            ConfigError, match=rf"TRAIN\.FREEZE: '{wrong}' .* Did you mean {near}\?"
        ):
            check_patterns(ToyNet(), ["conv", wrong], "TRAIN.FREEZE")
    with pytest.raises(ConfigError, match=r"Known: conv, norm, out, table\."):
        check_patterns(ToyNet(), ["zzz"], "TRAIN.FREEZE")
