from pathlib import Path

import pytest
from toys.yaml_files import HRNET

from lib.config import ConfigError, load_config, save_config
from lib.config.cli import config_parser, parse_config, run_folders

FIRST_RESNET = """
GPUS: '0'
MODEL:
  NAME: 'pose_resnet'
  IMAGE_SIZE: [192, 256]
  EXTRA: {TARGET_TYPE: 'gaussian', HEATMAP_SIZE: [48, 64], SIGMA: 2, NUM_LAYERS: 50}
TRAIN: {BATCH_SIZE: 24}
TEST: {BATCH_SIZE: 12}
"""


def test_hrnet_file_loads_unchanged(write, caplog):
    cfg = load_config(write(HRNET))
    assert cfg.GPUS == (0, 1, 2, 3)
    assert cfg.DATASET.FLIP == 0.5
    assert cfg.MODEL.SIGMA == 2.0
    assert cfg.MODEL.EXTRA.PRETRAINED_LAYERS == ["conv1", "bn1"]
    assert cfg.MODEL.EXTRA.STAGE4.NUM_CHANNELS == [32, 64, 128, 256]  # from the schema
    assert cfg.is_frozen()
    assert caplog.text.count("keys without effect") == 1
    assert "TRAIN.GAMMA1" in caplog.text
    assert "DEBUG.DEBUG" in caplog.text


def test_first_resnet_file_loads_unchanged(write):
    cfg = load_config(write(FIRST_RESNET))
    assert cfg.GPUS == (0,)
    assert cfg.MODEL.HEATMAP_SIZE == [48, 64]
    assert "HEATMAP_SIZE" not in cfg.MODEL.EXTRA
    assert (cfg.TRAIN.BATCH_SIZE_PER_GPU, cfg.TEST.BATCH_SIZE_PER_GPU) == (24, 12)


def test_other_spellings(write):
    path = write("TRAIN: {IMAGES_PER_GPU: 10, WARMUP_EPOCHES: 5, ACCUMULATION_STEPS: 2}\n")
    cfg = load_config(path, ["DATASET.TRAIN", "train2017", "MODEL.FIINAL_TYPE", "Ours"])
    assert cfg.TRAIN.BATCH_SIZE_PER_GPU == 10
    assert cfg.TRAIN.WARMUP_EPOCHS == 5
    assert cfg.TRAIN.ACCUMULATE == 2
    assert cfg.MODEL.FINAL_TYPE == "Ours"


def test_later_bases_and_the_file_itself_win(write):
    write("TRAIN: {LR: 0.1, WD: 0.1, MOMENTUM: 0.1}", "base/one.yaml")
    write("_BASE_: one.yaml\nTRAIN: {LR: 0.2, WD: 0.2}", "base/two.yaml")
    write("PRINT_FREQ: 7", "base/three.yaml")
    leaf = write("_BASE_: [base/two.yaml, base/three.yaml]\nTRAIN: {LR: 0.3}")
    cfg = load_config(leaf)
    assert (cfg.TRAIN.LR, cfg.TRAIN.WD, cfg.TRAIN.MOMENTUM) == (0.3, 0.2, 0.1)
    assert cfg.PRINT_FREQ == 7


def test_overrides_in_both_spellings(write):
    words = ["TRAIN.LR", "1e-3", "GPUS=(0,1)", "TEST.MODEL_FILE", "a=b.pth", "WORKERS=0"]
    cfg = load_config(write(HRNET), [*words, "MODEL.EXTRA.FINAL_CONV_KERNEL=3"])
    assert cfg.TRAIN.LR == 0.001
    assert cfg.GPUS == (0, 1)
    assert cfg.TEST.MODEL_FILE == "a=b.pth"
    assert cfg.WORKERS == 0
    assert cfg.MODEL.EXTRA.FINAL_CONV_KERNEL == 3


def test_patterns_of_names_may_hold_one_another(write):
    """Dots are part of a pattern, and of a joint's name; in files and on the command line."""
    path = write(
        "MODEL: {NAME: pose_resnet, EXTRA: {NUM_LAYERS: 50}}\n"
        "TRAIN: {LR_MULT: {backbone.layer1: 0.5, backbone: 0.1, head: {final: 2}}}\n"
        "DATASET: {RENAME: {l.hand: left_wrist, l: left_hip}}"
    )
    cfg = load_config(path, ["TRAIN.LR_MULT.backbone.layer1=0.7", "TRAIN.LR_MULT.head=1"])
    assert dict(cfg.TRAIN.LR_MULT) == {
        "backbone": 0.1, "backbone.layer1": 0.7, "head.final": 2, "head": 1,
    }  # fmt: skip
    given = load_config(path, ["TRAIN.LR_MULT={'a.b': 3, a: 1}"]).TRAIN.LR_MULT
    assert (given["a.b"], given["a"], given["backbone"]) == (3, 1, 0.1)
    assert cfg.DATASET.RENAME == {"l.hand": "left_wrist", "l": "left_hip"}
    save_config(cfg, path)
    assert load_config(path) == cfg


def test_factors_on_the_learning_rate_have_any_names(write):
    path = write(
        "MODEL: {NAME: pose_resnet, EXTRA: {NUM_LAYERS: 50}}\nTRAIN: {LR_MULT: {'layer[12]': 0.1}}"
    )
    cfg = load_config(path, ["TRAIN.LR_MULT.final_layer=3", "TRAIN.LR_MULT.layer3.0=0.5"])
    assert cfg.TRAIN.LR_MULT == {"layer[12]": 0.1, "final_layer": 3, "layer3.0": 0.5}
    save_config(cfg, path)
    assert load_config(path) == cfg


def test_saved_file_loads_to_the_same_tree(write, tmp_path):
    cfg = load_config(write(HRNET), ["DATA_DIR", "somewhere", "MODEL.PRETRAINED", "w.pth"])
    assert cfg.DATASET.ROOT == "somewhere/data/coco"
    assert cfg.MODEL.PRETRAINED == "somewhere/w.pth"
    save_config(cfg, tmp_path / "saved.yaml")
    assert load_config(tmp_path / "saved.yaml") == cfg


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TRAIN: {LEARNING_RATE: 1}", r"a\.yaml: unknown key TRAIN\.LEARNING_RATE"),
        ("TRAIN: {LRR: 1}", r"Did you mean TRAIN\.LR\?"),
        ("MODEL: {EXTRA: {FINAL_CONV_KERNAL: 3}}", r"Did you mean MODEL\.EXTRA\.FINAL_CONV_KERNEL"),
        ("MODEL: {NAME: pose_hrnett}", "Did you mean pose_hrnet"),
        ("TRAIN: {LR: fast}", r"TRAIN\.LR must be a number, got 'fast'"),
        ("TRAIN: {LR: .nan}", "finite"),
        ("TRAIN: {END_EPOCH: 2.5}", "whole number"),
        ("TRAIN: {SHUFFLE: maybe}", "true or false"),
        ("TRAIN: {LR_STEP: [1, x]}", "a list, each entry a whole number"),
        ("TRAIN: 3", "must hold keys of its own"),
        ("TRAIN: {OPTIMIZER: adamm}", "one of 'adam'"),
        ("TRAIN: {LR_STEP: [5, 3]}", "must grow"),
        ("TRAIN: {END_EPOCH: 0}", "END_EPOCH must be above"),
        ("TRAIN: {BATCH_SIZE_PER_GPU: 0}", "at least 1"),
        ("MODEL: {IMAGE_SIZE: [192]}", "width, height"),
        ("MODEL: {IMAGE_SIZE: [192, 256], HEATMAP_SIZE: [48, 60]}", r"it must be \[48, 64\]"),
        ("MODEL: {SIGMA: 0}", "above 0"),
        ("LOSS: {USE_OHKM: true, TOPK: 40}", "at most all joints"),
        ("MODEL: {TARGET_TYPE: udp}\nTEST: {SOFT_ARGMAX: true}", "reads Gaussian heatmaps"),
        ("DATASET: {NUM_JOINTS: 14}", "differ"),
        ("DATASET: {FLIP: 1.5}", "at most 1"),
        ("- a\n- b", "must hold keys and values"),
        ("a: b: c", "cannot be read as YAML"),
        ("_BASE_: a.yaml", "leads back"),
        ("_BASE_: 3", "path or a list"),
        ("_BASE_: b.yaml", r"No configuration file .*b\.yaml"),
    ],
)
def test_mistakes_are_named(write, text, message):
    with pytest.raises(ConfigError, match=message):
        load_config(write(text))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["TRAIN.LR"], "has no value"),
        (["0.1", "TRAIN.LR"], "KEY VALUE or KEY=VALUE"),
        (["TRAIN.LRR=1"], "command line: unknown key"),
        (["TRAIN.LR=1", "TRAIN.LR.X=2"], "LR holds the value 1"),
        (["TRAIN.LR.X=2", "TRAIN.LR=1"], "holds keys of its own"),
    ],
)
def test_wrong_overrides_are_named(write, words, message):
    with pytest.raises(ConfigError, match=message):
        load_config(write(HRNET), words)


def test_command_line(write):
    words = ["--cfg", str(write(HRNET)), "TRAIN.LR", "0.5", "--local_rank", "0"]
    words += ["--modelDir", "elsewhere", "TRAIN.WD=0.25"]
    cfg, _ = parse_config(config_parser("x"), words)
    assert (cfg.TRAIN.LR, cfg.TRAIN.WD, cfg.OUTPUT_DIR) == (0.5, 0.25, "elsewhere")


def test_empty_flags_of_old_launchers_ask_for_nothing(write):
    words = ["--cfg", str(write(HRNET)), "--modelDir", "", "--logDir", "", "--dataDir", ""]
    cfg, _ = parse_config(config_parser("x"), words)
    assert (cfg.OUTPUT_DIR, cfg.LOG_DIR, cfg.DATA_DIR) == ("output", "log", "")


def test_run_folders(write):
    cfg = load_config(write(HRNET))
    run = Path("output/coco/pose_hrnet/small")
    for file in ("x/small.yaml", run / "config.yaml", run / "untrained" / "config.yaml"):
        assert run_folders(cfg, file) == (run, Path("log/coco/pose_hrnet/small")), file
    assert run_folders(cfg, "x/config.yaml")[0] == run.with_name("config")


def test_unknown_flag_leaves_with_two(write, capsys):
    with pytest.raises(SystemExit) as left:
        parse_config(config_parser("x"), ["--cfg", str(write(HRNET)), "--cgf"])
    assert left.value.code == 2
    assert "unknown flag --cgf" in capsys.readouterr().err


def test_the_centre_joint_is_added_once(write):
    text = "MODEL: {NAME: pose_higher_hrnet}\nDATASET: {WITH_CENTER: true, NUM_JOINTS: 17}\n"
    cfg = load_config(write(text + "LOSS: {NUM_STAGES: 2, WITH_AE_LOSS: [true, false]}\n"))
    assert (cfg.DATASET.NUM_JOINTS, cfg.MODEL.NUM_JOINTS) == (17, 18)
    save_config(cfg, write("", "again.yaml"))
    assert load_config(write("_BASE_: again.yaml", "b.yaml")) == cfg


def test_stages_with_a_tag_loss_have_tag_maps(write):
    cfg = load_config(write("MODEL: {NAME: pose_higher_hrnet}\nLOSS: {WITH_AE_LOSS: [1, 1]}"))
    assert cfg.MODEL.EXTRA.WITH_AE_LOSS == [True, True]


def test_files_of_other_editors(tmp_path):
    """A mark in front, line ends of Windows, letters beyond ASCII; and what is not UTF-8."""
    path = tmp_path / "a.yaml"
    path.write_bytes("OUTPUT_DIR: läufe\r\nWORKERS: 3\r\n".encode("utf-8-sig"))
    cfg = load_config(path)
    assert (cfg.OUTPUT_DIR, cfg.WORKERS) == ("läufe", 3)
    save_config(cfg, tmp_path / "b.yaml")
    assert load_config(tmp_path / "b.yaml").OUTPUT_DIR == "läufe"
    path.write_bytes("OUTPUT_DIR: läufe\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"a\.yaml must be text in UTF-8"):
        load_config(path)
