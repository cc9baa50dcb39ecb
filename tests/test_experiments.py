"""Every YAML file of ``experiments`` loads, builds and costs what was published."""

from pathlib import Path

import pytest
import torch
import yaml

from lib.config import load_config
from lib.models import build_model, complexity
from lib.models.complexity import table_figure
from lib.models.registry import RECIPES

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


@pytest.mark.parametrize("name", _cases())
def test_published_cost(name):
    cfg, network = build(ROOT / f"{name}.yaml")
    cost = complexity(network, image_size(cfg, network))
    assert cost.params == PUBLISHED[name]["params"]
    assert round(cost.macs / 1e9, 3) == PUBLISHED[name]["macs"]
    table = table_figure(cost, RECIPES[cfg.MODEL.NAME].table)
    assert round(table, 3) == PUBLISHED[name]["table"]


RECIPE_KEYS = [
    *("TRAIN.OPTIMIZER", "TRAIN.LR", "TRAIN.LR_STEP", "TRAIN.END_EPOCH", "DATASET.COLOR_RGB"),
    *("DATASET.ROT_FACTOR", "DATASET.SCALE_FACTOR", "DATASET.PROB_HALF_BODY"),
    *("TEST.SHIFT_HEATMAP", "TEST.POST_PROCESS", "MODEL.SIGMA"),
]
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
