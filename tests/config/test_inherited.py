"""A file that names another model, codec or loss than its base does."""

import pytest

from lib.config import ConfigError, load_config

BASE = """
MODEL:
  NAME: pose_hrnet
  NUM_JOINTS: 5
  EXTRA:
    FINAL_CONV_KERNEL: 3
    STAGE2: {NUM_CHANNELS: [8, 16]}
"""


@pytest.fixture
def load(tmp_path):
    def write(text, *overrides, base=BASE):
        (tmp_path / "base.yaml").write_text(base)
        (tmp_path / "own.yaml").write_text(f"_BASE_: base.yaml\n{text}")
        return load_config(tmp_path / "own.yaml", overrides)

    return write


def test_what_a_base_wrote_for_its_own_model_is_left_out_and_said(load, caplog):
    model = "MODEL: {NAME: pose_resnet, EXTRA: {NUM_LAYERS: 34}}"
    cfg = load(model)
    assert cfg.MODEL.EXTRA.NUM_LAYERS == 34
    assert cfg.MODEL.EXTRA.FINAL_CONV_KERNEL == 3  # both have it
    assert cfg.MODEL.NUM_JOINTS == 5
    assert "STAGE2" not in cfg.MODEL.EXTRA
    assert (
        "base.yaml: left out of MODEL.EXTRA, as pose_resnet has not: STAGE2.NUM_CH" in caplog.text
    )
    assert load("", "MODEL.NAME=pose_resnet").MODEL.EXTRA.FINAL_CONV_KERNEL == 3
    assert load("").MODEL.EXTRA.STAGE2.NUM_CHANNELS == [8, 16]


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("MODEL: {NAME: pose_resnet, EXTRA: {STAGE2: {NUM_CHANNELS: [1]}}}", BASE),
        ("MODEL: {EXTRA: {NUM_LAYERS: 34}}", BASE),  # of the base's model
        ("MODEL: {NAME: pose_resnet}", "MODEL: {EXTRA: {STAGE9: 1}}"),  # of nobody's
        ("MODEL: {TARGET_TYPE: simcc, CODEC: {SPREAD: 1}}", "MODEL: {TARGET_TYPE: gaussian}"),
    ],
)
def test_what_nobody_left_behind_is_refused(load, text, base):
    with pytest.raises(ConfigError, match="unknown key MODEL"):
        load(text, base=base)


def test_codecs_and_losses_likewise(load):
    base = "MODEL: {TARGET_TYPE: integral, CODEC: {REGULARISER: 0.5, BETA: 3}}"
    cfg = load("MODEL: {TARGET_TYPE: gaussian}", base=base)
    assert dict(cfg.MODEL.CODEC) == {}
    assert load("", base=base).MODEL.CODEC.BETA == 3


def test_a_base_that_is_not_there_says_where_it_was_sought(tmp_path):
    (tmp_path / "own.yaml").write_text("_BASE_: experiments/x.yaml")
    with pytest.raises(ConfigError, match=r"no folder .*experiments\)\. _BASE_ counts from the fo"):
        load_config(tmp_path / "own.yaml")
