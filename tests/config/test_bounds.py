"""Numbers outside their bounds are refused by name, wherever they stand."""

import math

import pytest
import yaml

from lib.config import ConfigError, load_config
from lib.config.bounds import ANY, KEYS, Bounds, numbers
from lib.config.defaults import default_config
from lib.models.recipes import RECIPES

OWN = {"BACKBONE": "hrnet", "HEAD": "heatmap"}


def load(tmp_path, path, value, model="pose_hrnet", **more):
    tree = {"MODEL": {"NAME": model, **more}}
    *nodes, leaf = path.split(".")
    node = tree
    for name in nodes:
        node = node.setdefault(name, {})
    node[leaf] = value
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump(tree))
    return load_config(file)


def test_every_number_has_bounds():
    found = {path for path, _ in numbers(default_config())}
    assert found - set(ANY) == set(KEYS)


def test_defaults_lie_inside():
    for path, value in numbers(default_config()):
        assert path in ANY or KEYS[path].holds(value), path


@pytest.mark.parametrize("name", list(RECIPES))
def test_defaults_of_every_model_lie_inside(tmp_path, name):
    parts = OWN if name == "posenet" else {}
    load(tmp_path, "PRINT_FREQ", 1, name, **parts)


@pytest.mark.parametrize(
    ("bounds", "inside", "outside", "words"),
    [
        (Bounds(1), (1, 9), (0.5,), "at least 1"),
        (Bounds(0, open_below=True), (1e-9,), (0, -1), "above 0"),
        (Bounds(0, 1), (0, 1), (-0.1, 1.1), "at least 0 and at most 1"),
        (Bounds(0, 1, open_above=True), (0, 0.99), (1, -1), "at least 0 and below 1"),
    ],
)
def test_ends_of_an_interval(bounds, inside, outside, words):
    assert all(bounds.holds(value) for value in inside)
    assert not any(bounds.holds(value) for value in outside)
    assert str(bounds) == words


@pytest.mark.parametrize("path", sorted(KEYS))
def test_a_number_below_its_bounds_is_named(tmp_path, path):
    low = math.floor(KEYS[path].least) - 1
    with pytest.raises(ConfigError, match=rf"a\.yaml: {path} must be .*, got {low}\."):
        load(tmp_path, path, [low] if isinstance(default(path), list | tuple) else low)


def default(path):
    node = default_config()
    for name in path.split("."):
        node = node[name]
    return node


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("DATASET.SCALE_FACTOR", 1.5, "at least 0 and below 1, got 1.5"),
        ("DATASET.ROT_FACTOR", 181, "at most 180, got 181"),
        ("DATASET.PROB_HALF_BODY", 2, "at most 1, got 2"),
        ("DATASET.SIGMA", -2, "above 0 cells, or -1"),
        ("DATASET.MIN_SCALE", 2, "DATASET.MAX_SCALE must be at least MIN_SCALE 2, got 1.25"),
        ("TRAIN.LR_FACTOR", 0, "above 0 and at most 1, got 0"),
        ("TRAIN.LR_FACTOR", 1.5, "above 0 and at most 1, got 1.5"),
        ("TRAIN.EMA", 1, "below 1, got 1"),
        ("GPUS", [0, -1], "GPUS must be at least 0, got -1"),
        ("GPUS", [1, 1], "each GPU once"),
    ],
)
def test_other_ends(tmp_path, path, value, message):
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, path, value)


@pytest.mark.parametrize(
    ("model", "path", "value", "message"),
    [
        ("pose_hrnet", "FINAL_CONV_KERNEL", 2, "odd, got 2"),
        ("pose_hrnet", "FINAL_CONV_KERNEL", 0, "at least 1, got 0"),
        ("pose_hrnet", "STAGE2.NUM_CHANNELS", [32, 0], "at least 1, got 0"),
        ("pose_hrnet", "STAGE3.NUM_MODULES", 0, "at least 1, got 0"),
        ("pose_resnet", "NUM_DECONV_FILTERS", [256, 256, -1], "at least 1, got -1"),
        ("lpn", "GROUP_WIDTH", 0, "at least 1, got 0"),
        ("pose_hrformer", "DROP_PATH_RATE", 1.0, "below 1, got 1"),
        ("pose_hrformer", "STAGE2.NUM_WINDOW_SIZES", [0, 7], "at least 1, got 0"),
        ("pose_efenet", "EFEM.CHANNELS", [0, 0, 0, 0], "at least 1, got 0"),
        ("keypoint_rcnn", "TEST.NMS", 1.5, "at most 1, got 1.5"),
        ("keypoint_rcnn", "RPN.PRE_NMS_TEST", 0, "at least 1, got 0"),
        ("keypoint_rcnn", "ROI.SAMPLING_RATIO", -1, "at least 0, got -1"),
        ("posenet", "BACKBONE.WIDTH", 0, "at least 1, got 0"),
        ("posenet", "HEAD.KERNEL", 4, "odd, got 4"),
    ],
)
def test_numbers_of_a_model(tmp_path, model, path, value, message):
    parts = OWN if model == "posenet" else {}
    with pytest.raises(ConfigError, match=rf"MODEL\.EXTRA\.{path} must be .*{message}"):
        load(tmp_path, f"MODEL.EXTRA.{path}", value, model, **parts)


def test_a_level_may_be_counted_from_the_last(tmp_path):
    cfg = load(tmp_path, "MODEL.EXTRA.HEAD.LEVEL", -1, "posenet", **OWN)
    assert cfg.MODEL.EXTRA.HEAD.LEVEL == -1
