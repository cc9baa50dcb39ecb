from pathlib import Path

import pytest

from lib.config import ConfigError, load_config, save_config
from lib.config.cli import config_parser, parse_config, run_folders
from lib.config.variants import member_configs, stages

# The shape of the files that users bring: HRNet's, and PoseResNet's first code base.
HRNET = """
AUTO_RESUME: true
CUDNN: {BENCHMARK: true, DETERMINISTIC: false, ENABLED: true}
GPUS: (0,1,2,3)
DATASET: {COLOR_RGB: true, DATASET: 'coco', DATA_FORMAT: jpg, FLIP: true, ROOT: 'data/coco/'}
MODEL:
  INIT_WEIGHTS: true
  NAME: pose_hrnet
  SIGMA: 2
  IMAGE_SIZE: [192, 256]
  HEATMAP_SIZE: [48, 64]
  EXTRA:
    PRETRAINED_LAYERS: ['conv1', 'bn1']
    STAGE2: {NUM_MODULES: 1, NUM_BRANCHES: 2, BLOCK: BASIC, NUM_BLOCKS: [4, 4],
             NUM_CHANNELS: [32, 64], FUSE_METHOD: SUM}
TRAIN: {LR: 0.001, LR_STEP: [170, 200], END_EPOCH: 210, GAMMA1: 0.99, WD: 0.0001}
TEST: {BBOX_THRE: 1.0, OKS_THRE: 0.9, SOFT_NMS: false}
DEBUG: {DEBUG: true, SAVE_BATCH_IMAGES_GT: true}
"""
FIRST_RESNET = """
GPUS: '0'
MODEL:
  NAME: 'pose_resnet'
  IMAGE_SIZE: [192, 256]
  EXTRA: {TARGET_TYPE: 'gaussian', HEATMAP_SIZE: [48, 64], SIGMA: 2, NUM_LAYERS: 50}
TRAIN: {BATCH_SIZE: 24}
TEST: {BATCH_SIZE: 12}
"""


@pytest.fixture
def write(tmp_path):
    def to_file(text, name="a.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
        return path

    return to_file


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


def test_factors_on_the_learning_rate_have_any_names(write):
    path = write(
        "MODEL: {NAME: pose_resnet, EXTRA: {NUM_LAYERS: 50}}\nTRAIN: {LR_MULT: {'layer[12]': 0.1}}"
    )
    cfg = load_config(path, ["TRAIN.LR_MULT.final_layer=3", "TRAIN.LR_MULT.layer3.0=0.5"])
    assert cfg.TRAIN.LR_MULT == {"layer[12]": 0.1, "final_layer": 3, "layer3": {"0": 0.5}}
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
