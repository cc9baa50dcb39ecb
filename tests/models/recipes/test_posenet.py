"""Compositions of parts that forget what they must declare."""

import pytest
from modelcfg import model_cfg
from torch import nn

from lib.models import build_model
from lib.models.registry import BACKBONES, HEADS
from lib.utils.errors import ConfigError


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    monkeypatch.setitem(BACKBONES._entries, "forgetful", lambda: nn.Conv2d(3, 4, 1))
    monkeypatch.setitem(HEADS._entries, "forgetful", lambda a, b, c: nn.Conv2d(a[-1], c, 1))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"BACKBONE": "forgetful", "HEAD": "heatmap"}, "BACKBONE 'forgetful' .Conv2d. declares no"),
        (
            {"BACKBONE": "resnet", "HEAD": "forgetful"},
            "HEAD 'forgetful' .Conv2d. declares no gives",
        ),
    ],
)
def test_a_part_says_what_it_must(parts, words):
    with pytest.raises(ConfigError, match=words):
        build_model(model_cfg("posenet", 5, {"BACKBONE": {}}, **parts))
