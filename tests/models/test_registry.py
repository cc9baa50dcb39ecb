"""Registries and prefix maps."""

import pytest

from lib.models.registry import PrefixMap, Registry
from lib.utils.errors import ConfigError


def test_unknown_names_list_what_is_near():
    registry = Registry("pet")
    registry.register("cat")(1)
    with pytest.raises(ConfigError, match=r"No pet 'cet'\. Did you mean cat"):
        registry["cet"]
    with pytest.raises(ValueError, match="is taken"):
        registry.register("cat")(2)


def test_what_is_of_another_kind_is_refused_with_advice():
    registry = Registry("pet", int, ": count it")
    for entry in (3, bool):  # an instance, a class below
        registry.register(f"{entry}")(entry)
    for entry in (str.lower, "3", str):
        with pytest.raises(TypeError, match=r"pet 'dog' is no int: count it"):
            registry.register("dog")(entry)
    assert list(registry) == ["3", "<class 'bool'>"]


def test_prefixes_swap_both_ways():
    keys = PrefixMap((("final_layer.", "head.final_layer."), ("", "backbone.")))
    official = {"final_layer.bias": 1, "conv1.weight": 2}
    ours = {"head.final_layer.bias": 1, "backbone.conv1.weight": 2}
    assert keys.from_official(official) == ours
    assert keys.to_official(ours) == official
