"""``DATASET.STAGES`` and ``DATASET.MIX``."""

import pytest
from toys.yaml_files import HRNET

from lib.config import ConfigError, load_config, save_config
from lib.config.variants import member_configs, stages

STAGES = """
DATASET:
  SCALE_FACTOR: 0.4
  PHOTOMETRIC: {PRESET: rtmpose, NOISE: {PROB: 0.1, RANGE: [1, 5]}}
  STAGES:
    - {EPOCH: 30, SCALE_FACTOR: 0.25, PHOTOMETRIC: {DROPOUT: {PROB: 0.5}}}
    - {EPOCH: 50, PHOTOMETRIC: {PRESET: off}}
"""


def test_stages_build_on_one_another(write, tmp_path):
    cfg = load_config(write(STAGES))
    found = list(stages(cfg))
    assert [epoch for epoch, _ in found] == [30, 50]
    nodes = [stage.DATASET for _, stage in found]
    assert [node.SCALE_FACTOR for node in nodes] == [0.25, 0.25]
    assert [node.PHOTOMETRIC.PRESET for node in nodes] == ["rtmpose", "off"]
    assert [node.PHOTOMETRIC.DROPOUT.PROB for node in nodes] == [0.5, 0.5]
    assert nodes[0].PHOTOMETRIC.NOISE.RANGE == [1.0, 5.0]
    assert cfg.DATASET.SCALE_FACTOR == 0.4
    assert cfg.DATASET.PHOTOMETRIC.DROPOUT.PROB == -1
    save_config(cfg, tmp_path / "resolved.yaml")
    assert load_config(tmp_path / "resolved.yaml") == cfg
    changed = load_config(write(STAGES), ["DATASET.STAGES.30.SCALE_FACTOR", "0.1"])
    assert next(stages(changed))[1].DATASET.SCALE_FACTOR == 0.1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "DATASET.STAGES=[{EPOCH: 3, SCALE_FAKTOR: 1}]",
            r"STAGES\[0\].SCALE_FAKTOR.*SCALE_FACTOR?",
        ),
        ("DATASET.STAGES=[{EPOCH: 3, ROOT: x}]", r"unknown key DATASET.STAGES\[0\].ROOT"),
        ("DATASET.STAGES=[{FLIP: 0}]", "does not say its first EPOCH"),
        ("DATASET.STAGES=[{EPOCH: 3, FLIP: 2}]", "epoch 3: DATASET.FLIP must be .*, got 2"),
        ("DATASET.STAGES=[{EPOCH: 5}, {EPOCH: 3}]", r"must grow.*\[5, 3\]"),
        ("DATASET.STAGES=[{EPOCH: 0}]", "begins at EPOCH 0"),
        ("DATASET.STAGES=3", "must be a list of nodes, got 3"),
        ("DATASET.STAGES=[3]", r"STAGES\[0\] must hold keys of DATASET, got 3"),
        ("DATASET.STAGES.30.FLIP=1", "STAGES has no entry 30"),
        ("DATASET.PHOTOMETRIC.BLUR.PROB=0.5", "no effect while PRESET is off"),
        ("DATASET.PHOTOMETRIC.PRESET=heavy", "must be one of .*'strong'.*got 'heavy'"),
        ("DATASET.PHOTOMETRIC.BLUR.RANGE=[2, 1]", r"must be \[least, most\], got \[2.0, 1.0\]"),
        ("DATASET.PHOTOMETRIC.BOX_BLUR.RANGE=[2, 5]", "two odd sides"),
        ("DATASET.PHOTOMETRIC.JPEG.RANGE=[0, 5]", "JPEG.RANGE must be at least 1"),
    ],
)
def test_wrong_stages_and_colours_are_named(write, words, message):
    with pytest.raises(ConfigError, match=message):
        load_config(write("MODEL: {NAME: pose_hrnet}"), [words])


MIXED = """
DATA_DIR: /data
DATASET:
  FLIP: 0.25
  MIX:
    - {NAME: a, DATASET: coco, ROOT: coco, TRAIN_SET: train2017, TEST_SET: val2017, FLIP: true}
    - {DATASET: mpii, ROOT: mpii, TEST_SET: valid, TEST: {OKS_THRE: 0.75}, WEIGHT: 1}
TEST: {OKS_THRE: 0.5, COCO_BBOX_FILE: boxes.json}
"""


def test_members_of_a_mix_are_whole_configurations(write, tmp_path):
    cfg = load_config(write(MIXED))
    assert cfg.DATASET.DATASET == "mix"
    first, second = member_configs(cfg)
    assert (first.DATASET.NAME, second.DATASET.NAME) == ("a", "mpii")
    assert (first.DATASET.ROOT, second.DATASET.ROOT) == ("/data/coco", "/data/mpii")
    assert (first.DATASET.FLIP, second.DATASET.FLIP) == (0.5, 0.25)
    assert second.DATASET.TRAIN_SET == ""  # that of another set says nothing here
    assert (first.TEST.OKS_THRE, second.TEST.OKS_THRE) == (0.5, 0.75)
    assert first.TEST.COCO_BBOX_FILE == ""
    assert not first.DATASET.MIX
    assert first.is_frozen()
    save_config(cfg, tmp_path / "resolved.yaml")
    assert load_config(tmp_path / "resolved.yaml") == cfg
    changed = load_config(write(MIXED), ["DATASET.MIX.a.FLIP", "0", "DATASET.MIX.mpii.ROOT=x"])
    assert [one.DATASET.FLIP for one in member_configs(changed)] == [0.0, 0.25]
    assert member_configs(changed)[1].DATASET.ROOT == "/data/x"
    assert member_configs(load_config(write(HRNET))) == [load_config(write(HRNET))]


def test_a_file_changes_the_mix_of_its_base(write):
    write(MIXED, "base.yaml")
    text = "_BASE_: base.yaml\nDATASET: {MIX: {mpii: {ROOT: other, TEST: {OKS_THRE: 0.1}}}}"
    cfg = load_config(write(text, "leaf.yaml"))
    assert member_configs(cfg)[1].DATASET.ROOT == "/data/other"
    assert member_configs(cfg)[1].TEST.OKS_THRE == 0.1
    none = load_config(write("_BASE_: base.yaml\nDATASET: {MIX: null, DATASET: mpii}", "n.yaml"))
    assert none.DATASET.MIX == []
    assert none.DATASET.DATASET == "mpii"


ENTRY = "DATASET: coco, ROOT: x, TRAIN_SET: t"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (f"[{{{ENTRY}, ROTT: 1}}]", r"unknown key DATASET.MIX\[0\].ROTT. Did you mean .*ROOT"),
        (f"[{{{ENTRY}, TEST: {{OKS: 1}}}}]", r"unknown key DATASET.MIX\[0\].TEST.OKS"),
        (f"[{{{ENTRY}, FLIP: high}}]", r"DATASET.MIX\[0\].FLIP must be a number, got 'high'"),
        (f"[{{{ENTRY}}}, {{{ENTRY}, NAME: b, ROT_FACTOR: 500}}]", "b of DATASET.MIX: .*ROT_FACTOR"),
        (
            f"[{{{ENTRY}, COLOR_RGB: true}}]",
            "the same for all sets of a mix: set DATASET.COLOR_RGB",
        ),
        (f"[{{{ENTRY}}}, {{{ENTRY}}}]", "a NAME of its own, got .'coco', 'coco'"),
        (f"[{{{ENTRY}, NAME: a/b}}]", "a NAME takes letters"),
        (f"[{{{ENTRY}, WEIGHT: 1}}, {{{ENTRY}, NAME: b}}]", "a WEIGHT or none, got .1.0, 0.0"),
        ("[{ROOT: x}]", r"DATASET.MIX\[0\] does not say its DATASET"),
        ("[{DATASET: coco, ROOT: x}]", "coco has neither TRAIN_SET nor TEST_SET"),
        (f"[{{{ENTRY}, MIX: [{{{ENTRY}}}]}}]", r"DATASET.MIX\[0\] holds a mix itself"),
        ("[coco]", r"DATASET.MIX\[0\] must hold keys of DATASET, got 'coco'"),
        ("coco", "DATASET.MIX must be a list of nodes, got 'coco'"),
        ("{coco: {ROOT: y}}", "DATASET.MIX has no entry coco"),
        (f"[{{{ENTRY}, STAGES: [{{EPOCH: 1, FLOP: 1}}]}}]", r"MIX\[0\].STAGES\[0\].FLOP"),
    ],
)
def test_wrong_entries_of_a_mix_are_named(write, words, message):
    with pytest.raises(ConfigError, match=message):
        load_config(write("MODEL: {NAME: pose_hrnet}"), [f"DATASET.MIX={words}"])


def test_a_mix_needs_target_weights(write):
    with pytest.raises(ConfigError, match="USE_TARGET_WEIGHT must be true for a mix"):
        load_config(write(MIXED), ["LOSS.USE_TARGET_WEIGHT=false"])
