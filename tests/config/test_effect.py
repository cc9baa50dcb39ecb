import pytest

from lib.config import ConfigError, load_config
from lib.config.defaults import default_config
from lib.config.effect import (
    BY_TASK,
    CONDITIONS,
    FOR_TESTS,
    FOR_TRAINING,
    describe_idle,
    idle_keys,
    value_of,
)
from lib.config.legacy import UNMET


@pytest.fixture
def load(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("", encoding="utf-8")
    return lambda *overrides: load_config(path, overrides)


def words(cfg, task, sections=FOR_TRAINING):
    return describe_idle(idle_keys(cfg, task, sections))


@pytest.mark.parametrize("task", ["bottomup", "rcnn"])
def test_whole_images_change_nothing_where_images_are_whole(load, task):
    found = words(load("TRAIN.WHOLE_IMAGES=true"), task)
    kind = {"bottomup": "bottom-up", "rcnn": "one-stage"}[task]
    assert found == f"set, and without effect here: TRAIN.WHOLE_IMAGES (not for {kind} models)"
    assert words(load("TRAIN.WHOLE_IMAGES=true"), "topdown") == ""
    assert "the order is the file's" in words(
        load("TRAIN.WHOLE_IMAGES=true", "TRAIN.SHUFFLE=false"), "topdown"
    )


@pytest.mark.parametrize("task", BY_TASK)
def test_nothing_is_said_of_defaults(load, task):
    assert words(load(), task) == ""


@pytest.mark.parametrize(
    ("task", "overrides", "said"),
    [
        ("topdown", ["DATASET.MAX_ROTATION=20"], "DATASET.MAX_ROTATION (not for top-down"),
        ("topdown", ["TEST.TAG_THRESHOLD=2"], "TEST.TAG_THRESHOLD"),
        ("bottomup", ["DATASET.CUTOUT=true", "LOSS.USE_OHKM=true"], "USE_OHKM, DATASET.CUTOUT"),
        ("bottomup", ["TEST.USE_GT_BBOX=true"], "TEST.USE_GT_BBOX (not for bottom-up"),
        ("rcnn", ["DATASET.ROT_FACTOR=9"], "DATASET.ROT_FACTOR (not for one-stage"),
        ("rcnn", ["TEST.SCALE_FACTOR=[0.5,1]"], "TEST.SCALE_FACTOR"),
        ("topdown", ["TRAIN.WD=0.01"], "TRAIN.WD (adam takes TRAIN.ADAM_WD)"),
        ("topdown", ["TRAIN.OPTIMIZER=adamw", "TRAIN.ADAM_WD=0.1"], "ADAM_WD (for adam only)"),
        ("topdown", ["TRAIN.NESTEROV=true"], "TRAIN.NESTEROV (for sgd only)"),
        ("topdown", ["TRAIN.MAX_ITER=9", "TRAIN.END_EPOCH=5"], "TRAIN.END_EPOCH (TRAIN.MAX_ITER"),
        ("topdown", ["TRAIN.LR_MIN=0.1"], "TRAIN.LR_MIN (for cosine only)"),
        ("topdown", ["TRAIN.LR_MIN=0.1", "TRAIN.SCHEDULER=plateau"], "LR_MIN (for cosine only)"),
        ("topdown", ["TRAIN.FLAT=0.5"], "TRAIN.FLAT (for cosine only)"),
        ("topdown", ["TRAIN.EARLY_STOP=9", "TRAIN.EVAL_PERIOD=0"], "TRAIN.EARLY_STOP (TRAIN.EVAL"),
        ("topdown", ["TRAIN.EMA_RAMP=9"], "TRAIN.EMA_RAMP (TRAIN.EMA is 0)"),
        ("topdown", ["TRAIN.FREEZE_UNTIL=9"], "TRAIN.FREEZE_UNTIL (nothing is frozen)"),
        ("topdown", ["LOSS.TOPK=3"], "LOSS.TOPK (LOSS.USE_OHKM is false)"),
        ("topdown", ["FP16.DTYPE=float16"], "FP16.DTYPE (FP16.ENABLED is false)"),
        ("topdown", ["TEST.SHIFT_HEATMAP=true"], "TEST.SHIFT_HEATMAP (TEST.FLIP_TEST is false)"),
        ("topdown", ["MODEL.NECK=bifpn", "MODEL.TASK=bottomup"], "MODEL.NECK (for MODEL.NAME pos"),
        ("bottomup", ["MODEL.BACKBONE=resnet"], "MODEL.BACKBONE (for MODEL.NAME posenet and pose_"),
        ("topdown", ["MODEL.FPN_TYPE=Ours"], "MODEL.FPN_TYPE (for MODEL.NAME pose_effpnet only)"),
        ("topdown", ["MODEL.TARGET_TYPE=simcc", "LOSS.FACTOR=3"], "LOSS.FACTOR (of losses of heat"),
        ("topdown", ["TEST.SOFT_ARGMAX_BETA=3"], "SOFT_ARGMAX_BETA (TEST.SOFT_ARGMAX is false"),
        ("topdown", ["TEST.SOFT_ARGMAX_BETA=9"], "SOFT_ARGMAX_BETA (TEST.SOFT_ARGMAX is false)"),
        ("rcnn", ["DATASET.WEIGHT=3"], "DATASET.WEIGHT (DATASET.MIX is empty)"),
        ("bottomup", ["TEST.IGNORE_CENTER=false"], "IGNORE_CENTER (DATASET.WITH_CENTER is false)"),
        ("topdown", ["TRAIN.CHECKPOINT_ITERS=3", "TRAIN.CHECKPOINT_PERIOD=2"], "CHECKPOINT_PERIOD"),
    ],
)  # fmt: skip
def test_what_was_set_and_changes_nothing_is_said(load, task, overrides, said):
    assert said in words(load(*overrides), task)


def test_conditions_that_do_not_hold_say_nothing(load):
    cfg = load(
        "TRAIN.OPTIMIZER=sgd", "TRAIN.WD=0.01", "TRAIN.NESTEROV=true", "TRAIN.END_EPOCH=150",
        "LOSS.USE_OHKM=true", "LOSS.TOPK=3", "FP16.ENABLED=true", "FP16.DTYPE=bfloat16",
        "TEST.FLIP_TEST=true", "TEST.SHIFT_HEATMAP=true", "TRAIN.FREEZE=[backbone]",
        "TRAIN.FREEZE_UNTIL=9",
    )  # fmt: skip
    assert words(cfg, "topdown") == ""


def test_a_test_hears_nothing_of_keys_for_training(load):
    cfg = load("TRAIN.WD=0.01", "TRAIN.WHOLE_IMAGES=true", "TEST.OKS_THRE=0.9")
    assert words(cfg, "bottomup", FOR_TESTS).endswith(" TEST.OKS_THRE (not for bottom-up models)")


def test_all_named_keys_exist():
    cfg = default_config()
    named = [key for keys in BY_TASK.values() for key in keys]
    named += [key for _, keys, _ in CONDITIONS for key in keys]
    for key in named:
        value_of(cfg, key)


OTHERS = {
    "MODEL.STYLE": "caffe",
    "MODEL.BACKBONE_REC": "true",
    "MODEL.FUSE_DENSE": "false",
    "MODEL.EXTRA.STEM_INPLANES": "32",
    "DATASET.HYBRID_JOINTS_TYPE": "some",
    "TEST.BLUR_KERNEL": "9",
    "TRAIN.CHECKPOINT": "w.pth",
}


@pytest.mark.parametrize("key", UNMET)
def test_a_dropped_key_that_means_another_model_stops(load, key, caplog):
    with pytest.raises(ConfigError, match=rf"a\.yaml: {key} .* is not to be had: .*Remove the key"):
        load(f"{key}={OTHERS[key]}")
    as_built = UNMET[key][0][0]
    load(f"{key}={OTHERS[key]}", f"{key}={as_built!r}")  # the last word counts
    assert f"keys without effect here: {key}" in caplog.text


def test_codecs_say_what_they_read(load):
    assert words(load("MODEL.TARGET_TYPE=softargmax", "TEST.SOFT_ARGMAX_BETA=3"), "topdown") == ""
    for codec in ("gaussian", "dark", "udp", "softargmax"):
        assert words(load(f"MODEL.TARGET_TYPE={codec}", "LOSS.FACTOR=3"), "topdown") == ""
    assert "LOSS.FACTOR" in words(load("MODEL.TARGET_TYPE=integral", "LOSS.FACTOR=3"), "topdown")
