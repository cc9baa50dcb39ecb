"""Every YAML file of ``experiments`` loads, builds and costs what was published."""

from pathlib import Path

import pytest
import torch
import yaml

from lib.config import load_config
from lib.config.effect import FOR_TRAINING, describe_idle, idle_keys
from lib.models import build_model, complexity
from lib.models.cost import table_figure
from lib.models.registry import RECIPES
from lib.tasks.build import task_kind

ROOT = Path(__file__).parent.parent / "experiments"
LEAVES = sorted(file for file in ROOT.rglob("*.yaml") if "_base_" not in file.parts)
PUBLISHED = yaml.safe_load((Path(__file__).parent / "data" / "published.yaml").read_text())


def name_of(file):
    return file.relative_to(ROOT).with_suffix("").as_posix()


def build(file):
    cfg = load_config(file)
    with torch.device("meta"):
        return cfg, build_model(cfg)


def image_size(cfg, network):
    """Return (height, width) of the network's input."""
    if hasattr(network, "cost_size"):
        return network.cost_size
    if RECIPES[cfg.MODEL.NAME].task == "topdown":
        return cfg.MODEL.IMAGE_SIZE[::-1]
    return [cfg.DATASET.INPUT_SIZE] * 2


def test_leaves_are_short():
    assert [name_of(f) for f in LEAVES if len(f.read_text().splitlines()) > 30] == []


@pytest.mark.parametrize("file", [f for f in LEAVES if name_of(f) not in PUBLISHED], ids=name_of)
def test_leaves_without_published_cost_build(file):
    assert any(p.numel() for p in build(file)[1].parameters())


def _cases():
    """Other sizes of a network that is checked at one size already are left to the slow run."""
    for name in PUBLISHED:
        quick = any(size in name for size in ("256x192", "512"))
        yield pytest.param(name, marks=() if quick else pytest.mark.slow)


@pytest.mark.parametrize("name", list(_cases()))
def test_published_cost(name):
    cfg, network = build(ROOT / f"{name}.yaml")
    cost = complexity(network, image_size(cfg, network))
    assert cost.params == PUBLISHED[name]["params"]
    assert round(cost.macs / 1e9, 3) == PUBLISHED[name]["macs"]
    table = table_figure(cost, RECIPES[cfg.MODEL.NAME].table)
    assert round(table, 3) == PUBLISHED[name]["table"]


RECIPE_KEYS = [
    "TRAIN.OPTIMIZER", "TRAIN.LR", "TRAIN.LR_STEP", "TRAIN.END_EPOCH", "DATASET.COLOR_RGB",
    "DATASET.ROT_FACTOR", "DATASET.SCALE_FACTOR", "DATASET.PROB_HALF_BODY",
    "TEST.SHIFT_HEATMAP", "TEST.POST_PROCESS", "MODEL.SIGMA",
]  # fmt: skip
ADAM = ("adam", 0.001)
ADAMW = ("adamw", 0.0005)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "coco/resnet/res101_384x288_d256x3_adam_lr1e-3",
            (*ADAM, [90, 120], 140, False, 40, 0.3, 0, True, True, 3),
        ),
        (
            "mpii/resnet/res50_256x256_d256x3_adam_lr1e-3",
            (*ADAM, [90, 120], 140, False, 30, 0.25, 0, True, True, 2),
        ),
        (
            "coco/hrnet/w48_256x192_adam_lr1e-3",
            (*ADAM, [170, 200], 210, True, 45, 0.35, 0.3, True, True, 2),
        ),
        (
            "mpii/hrnet/w32_256x256_adam_lr1e-3",
            (*ADAM, [170, 200], 210, True, 30, 0.25, 0, True, True, 2),
        ),
        (
            "coco/hrformer/b_384x288_adamw_lr5e-4",
            (*ADAMW, [170, 200], 210, True, 40, 0.5, 0.3, True, True, 3),
        ),
        (
            "coco/efenet/s_384x288_adamw_lr5e-4",
            (*ADAMW, [170, 200], 210, True, 40, 0.5, 0.3, False, False, 12),
        ),
        (
            "mpii/efenet/s_256x256_adamw_lr5e-4",
            (*ADAMW, [170, 200], 210, True, 30, 0.25, 0, False, False, 8),
        ),
    ],
)
def test_published_recipes(name, wanted):
    cfg = load_config(ROOT / f"{name}.yaml")
    values = []
    for key in RECIPE_KEYS:
        section, leaf = key.split(".")
        values.append(cfg[section][leaf])
    assert dict(zip(RECIPE_KEYS, values, strict=True)) == dict(
        zip(RECIPE_KEYS, wanted, strict=True)
    )


ONE_STAGE = [file for file in LEAVES if "coco/keypoint_rcnn/" in name_of(file)]
IMPROVED = yaml.safe_load("""
BACKBONE: {DEPTH: 50, NORM: FrozenBN, TRAINABLE_LAYERS: 3, STRIDE_IN_1X1: false}
FPN: {OUT_CHANNELS: 256}
RPN: {PRE_NMS_TRAIN: 2000, PRE_NMS_TEST: 1000, POST_NMS_TRAIN: 1500, POST_NMS_TEST: 1000, NMS: 0.7,
  BATCH: 256, SMOOTH_L1_BETA: 0.0, ROUND_ANCHORS: false}
ROI: {BATCH: 512, POS_FRACTION: 0.25, FG_IOU: 0.5, BOX_BETA: 0.5, POOL: 7, ALIGNED: true,
  SAMPLING_RATIO: 0}
KEYPOINT: {HEAD: gcm, LEVELS: ['0'], POOL: 14, ENLARGE: 1.3, ZERO_PAD: true, CONVS: 8, DIM: 512,
  GCM: {EVERY: 4, HEADS: 4, BN_INIT: uniform}, LOSS_NORM: visible, LOSS_WEIGHT: 1.0,
  FILTER_NO_VISIBLE: true}
INPUT: {MIN_TRAIN: [640, 672, 704, 736, 768, 800], MAX: 1333, MIN_TEST: 800, GROUP_ASPECT: true}
TEST: {SCORE_THRESH: 0.05, NMS: 0.5, DETECTIONS: 100, DECODE: bicubic, RESCORE: false,
  OKS_NMS: 0.0, CLIP: false}
""")
PLAIN = {"HEAD": "plain", "LEVELS": ["0", "1", "2", "3"], "ENLARGE": 1.0}


@pytest.mark.parametrize("branch", ["gcm", "plain"])
def test_published_one_stage_models(branch):
    file = "r50_fpn_gcm_3x" if branch == "gcm" else "r50_fpn_3x"
    extra = load_config(ROOT / f"coco/keypoint_rcnn/{file}.yaml").MODEL.EXTRA
    for part, values in IMPROVED.items():
        if part == "KEYPOINT" and branch == "plain":
            values = {**values, **PLAIN, "ZERO_PAD": False}
        assert {key: extra[part][key] for key in values} == values


@pytest.mark.parametrize("file", ONE_STAGE, ids=name_of)
def test_published_one_stage_schedule_for_any_batch(file):
    cfg = load_config(file)
    train, batch = cfg.TRAIN, cfg.TRAIN.GLOBAL_BATCH
    images = [count * batch for count in (*train.LR_STEP, train.MAX_ITER)]
    assert images == [3_360_000, 4_000_000, 4_320_000]
    assert pytest.approx(0.02 * batch / 16) == train.LR
    rest = (train.OPTIMIZER, train.MOMENTUM, train.NESTEROV, train.WD, train.WD_NORM)
    assert rest == ("sgd", 0.9, False, 1e-4, 0.0)
    assert (train.WARMUP_ITERS, train.WARMUP_FACTOR, train.CLIP_NORM) == (1000, 0.001, 0.0)
    assert (cfg.DATASET.FLIP, cfg.TEST.FLIP_TEST, cfg.DATASET.COLOR_RGB) == (0.5, False, True)


@pytest.mark.slow
def test_no_experiment_sets_what_changes_nothing():
    for file in LEAVES:
        cfg = load_config(file)
        assert describe_idle(idle_keys(cfg, task_kind(cfg), FOR_TRAINING)) == "", file
