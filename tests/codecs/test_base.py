import re
from pathlib import Path

import pytest
import torch
import yaml
from modelcfg import model_cfg

from lib.codecs import CODECS, build_codec
from lib.codecs.base import halves
from lib.codecs.kinds.gaussian import GaussianCodec
from lib.config import load_config
from lib.models import build_model
from lib.utils.errors import ConfigError

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def write(tmp_path):
    def to_file(**sections):
        path = tmp_path / "case.yaml"
        sizes = {"IMAGE_SIZE": [64, 96], "HEATMAP_SIZE": [16, 24], "SIGMA": 1}
        sections["MODEL"] = {**sizes, **sections.get("MODEL", {})}
        path.write_text(yaml.safe_dump(sections))
        return path

    return to_file


@pytest.fixture
def foreign():
    """A codec of somebody else's: registered, and nothing else."""

    @CODECS.register("foreign")
    class Foreign(GaussianCodec):
        options = GaussianCodec.options.clone()
        options.WEIGHT = 0.5
        reads = "clouds"

        @classmethod
        def settings(cls, cfg):
            if cfg.MODEL.CODEC.WEIGHT <= 0:
                raise ValueError(f"WEIGHT must be above 0, got {cfg.MODEL.CODEC.WEIGHT}")
            return {**super().settings(cfg), "sigma": cfg.MODEL.CODEC.WEIGHT}

    yield Foreign
    del CODECS._entries["foreign"]


def test_a_codec_is_known_by_its_registration_alone(write, foreign):
    settings = {"TARGET_TYPE": "foreign", "CODEC": {"WEIGHT": 2}}
    cfg = load_config(write(MODEL=settings))
    assert cfg.MODEL.CODEC.WEIGHT == 2.0  # of the schema's type
    codec = build_codec(cfg)
    assert isinstance(codec, foreign)
    assert codec.sigma == 2
    assert build_codec(load_config(write(MODEL={"TARGET_TYPE": "foreign"}))).sigma == 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"TARGET_TYPE": "foreing"}, "No MODEL.TARGET_TYPE 'foreing'. Did you mean foreign"),
        ({"TARGET_TYPE": "foreign", "CODEC": {"WEIGTH": 2}}, "Did you mean MODEL.CODEC.WEIGHT"),
        ({"TARGET_TYPE": "foreign", "CODEC": {"WEIGHT": "much"}}, "MODEL.CODEC.WEIGHT must be"),
        ({"TARGET_TYPE": "foreign", "CODEC": {"WEIGHT": -1}}, "'foreign': WEIGHT must be above 0"),
        (
            {"TARGET_TYPE": "udp", "CODEC": {"WEIGHT": 2}},
            "unknown key MODEL.CODEC.WEIGHT: MODEL.TARGET_TYPE 'udp' has no settings",
        ),
        ({"CODEC": [3]}, "MODEL.CODEC must hold keys"),
    ],
)
def test_settings_of_a_codec_are_checked_when_they_are_read(write, foreign, settings, message):
    with pytest.raises(ConfigError, match=message):
        load_config(write(MODEL=settings))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("options", {"WEIGHT": 1}, "'foreign' must declare its settings as a CfgNode, has {'WEIG"),
        ("build", lambda cfg: cfg.MODEL.SIZE, r"'foreign': <lambda> of .*test_base.py fails in li"),
        ("build", lambda cfg: None, "'foreign': build must return a codec, got None"),
    ],
)
def test_mistakes_in_a_foreign_codec_are_sentences(
    write, foreign, monkeypatch, name, value, message
):
    monkeypatch.setattr(foreign, name, value)
    with pytest.raises(ConfigError, match=message):
        load_config(write(MODEL={"TARGET_TYPE": "foreign"}))


def test_a_head_must_take_what_a_foreign_codec_tells(foreign, monkeypatch):
    monkeypatch.setattr(foreign, "reads", "heatmaps")
    monkeypatch.setattr(foreign, "head_arguments", lambda model: {"frame": (1, 2)})
    message = r"pose_hrnet .HeatmapHead. must take frame and keep it: MODEL.TARGET_TYPE 'foreign'"
    with torch.device("meta"), pytest.raises(ConfigError, match=message):
        build_model(model_cfg("pose_hrnet", TARGET_TYPE="foreign"))


def test_the_builder_says_which_codec_and_which_head_do_not_fit(foreign):
    message = (
        "'foreign' reads clouds, but the head of pose_hrnet .HeatmapHead. gives heatmaps.* udp"
    )
    with torch.device("meta"), pytest.raises(ConfigError, match=message):
        build_model(model_cfg("pose_hrnet", TARGET_TYPE="foreign"))


def test_old_spellings_and_soft_argmax_choose_the_codec(write):
    assert type(build_codec(load_config(write(MODEL={"TARGET_TYPE": "Gaussian"})))) is GaussianCodec
    soft = build_codec(load_config(write(TEST={"SOFT_ARGMAX": True, "SOFT_ARGMAX_BETA": 90})))
    assert soft.beta == 90
    with pytest.raises(ConfigError, match=r"reads Gaussian heatmaps, not MODEL.TARGET_TYPE 'dark'"):
        load_config(write(MODEL={"TARGET_TYPE": "dark"}, TEST={"SOFT_ARGMAX": True}))


def test_halves_of_one_or_several_tensors():
    one = torch.arange(12.0).view(4, 3)
    first, second = halves(one)
    assert torch.equal(torch.cat([first, second]), one)
    (a, b), (c, d) = halves([one, one + 1])
    assert torch.equal(a, one[:2])
    assert torch.equal(b, one[:2] + 1)
    assert torch.equal(c, one[2:])
    assert torch.equal(d, one[2:] + 1)


def test_nothing_but_the_registry_asks_for_a_codecs_name():
    names = "|".join(name for name in CODECS if name != "gaussian")  # soft-NMS has one, too
    asks = re.compile(
        rf"""(==|!=|\bin\b)\s*[\[(]?\s*["']({names})["']|TARGET_TYPE\s*(==|!=)|CODECS\[["']"""
    )
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in ("lib", "tools", "visualization")
        for path in (ROOT / folder).rglob("*.py")
        for line in path.read_text().splitlines()
        if asks.search(line)
    ]
    assert found == []
