import numpy as np
import pytest
import yaml
from toys.two_stages import STAGES

from lib.config import load_config
from lib.structures.skeleton import load_skeleton
from lib.tasks.bottomup_options import (
    build_augmentation,
    build_grouping,
    build_sigma,
    check_config,
    check_training,
    flip_index,
    heatmap_stages,
    scales_to_test,
    tag_offsets,
    tag_stages,
)
from lib.utils.errors import ConfigError

LISTS = {
    "LOSS": STAGES["LOSS"],
    "TEST": {"WITH_HEATMAPS": [True, True], "WITH_AE": [True, False]},
    "DATASET": {"OUTPUT_SIZE": [128, 256]},
    "MODEL": {"NAME": "pose_higher_hrnet"},
}


@pytest.fixture
def load(tmp_path):
    def to_cfg(*overrides):
        path = tmp_path / "a.yaml"
        path.write_text(yaml.safe_dump(LISTS))
        return load_config(path, list(overrides))

    return to_cfg


def test_a_sound_configuration_passes(load):
    check_config(load())


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["LOSS.NUM_STAGES=3"], r"has 2 entries for LOSS\.NUM_STAGES 3"),
        (["TEST.WITH_AE=[true]"], r"TEST\.WITH_AE has 1 entries"),
        (["DATASET.INPUT_SIZE=500", "DATASET.OUTPUT_SIZE=[125,250]"], "multiple of 32, got 500"),
        (["TEST.WITH_HEATMAPS=[false,false]"], "No stage has LOSS.WITH_HEATMAPS_LOSS"),
        (["TEST.WITH_AE=[false,true]"], "nothing to group by"),
        (["TEST.SCALE_FACTOR=[0.5,2]"], "lacks 1: tags are taken at scale 1"),
        (["TEST.SCALE_FACTOR=[]"], "must list at least one"),
        (["TEST.SCALE_FACTOR=[1,1.3]"], r"1\.3 is not a multiple of half the smallest one, 1,"),
        (["TEST.SCALE_FACTOR=[0.75,1]"], r"1 is not a multiple of half the smallest one, 0\.75"),
        (["TEST.SCALE_FACTOR=[1,-1]"], "SCALE_FACTOR must be above 0, got -1"),
        (["TEST.NMS_KERNEL=4"], "NMS_KERNEL must be odd"),
        (["TEST.NMS_KERNEL=5"], "NMS_PADDING half of it"),
        (["TEST.DETECTION_THRESHOLD=-0.1"], "DETECTION_THRESHOLD must be at least 0"),
    ],
)
def test_contradictions_are_named(load, overrides, words):
    with pytest.raises(ConfigError, match=words):
        check_config(load(*overrides))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["LOSS.PUSH_LOSS_FACTOR=[0.1]"], r"LOSS\.PUSH_LOSS_FACTOR has 1 entries"),
        (["LOSS.PULL_LOSS_FACTOR=[]"], r"LOSS\.PULL_LOSS_FACTOR has 0 entries"),
        (["LOSS.HEATMAPS_LOSS_FACTOR=[1]"], r"LOSS\.HEATMAPS_LOSS_FACTOR has 1 entries"),
        (["DATASET.OUTPUT_SIZE=[128,256,512]"], r"DATASET\.OUTPUT_SIZE has 3 entries"),
        (["DATASET.OUTPUT_SIZE=[160,320]"], r"must be \[128, 256\] for INPUT_SIZE 512"),
    ],
)
def test_what_only_training_asks_does_not_stop_a_test(load, overrides, words):
    cfg = load(*overrides)
    check_config(cfg)
    with pytest.raises(ConfigError, match=words):
        check_training(cfg)


def test_a_single_scale_need_not_be_one(load):
    cfg = load("TEST.SCALE_FACTOR=2")
    check_config(cfg)
    assert scales_to_test(cfg) == [2.0]
    assert scales_to_test(load("TEST.SCALE_FACTOR=[0.5,1,2]")) == [2.0, 1.0, 0.5]


@pytest.mark.parametrize("scales", ["[0.5,1,2]", "[0.5,1,1.5,2]", "[1,1.5]", "[0.3]", "[0.25,1]"])
def test_scales_that_suit_every_image_pass(load, scales):
    check_config(load(f"TEST.SCALE_FACTOR={scales}"))


def test_stages(load):
    cfg = load("LOSS.WITH_HEATMAPS_LOSS=[true,false]", "LOSS.WITH_AE_LOSS=[true,true]")
    assert heatmap_stages(cfg) == (True, False)
    assert tag_stages(cfg) == (True, False)
    assert tag_offsets(cfg) == (17, 0)


def test_grouping_follows_test_and_the_skeleton(load):
    coco = load_skeleton("coco")
    overrides = ("TEST.ADJUST=false", "TEST.TAG_THRESHOLD=2", "DATASET.MAX_NUM_PEOPLE=7")
    options = build_grouping(load(*overrides), coco)
    assert options.joint_order == coco.grouping_order
    assert (options.adjust, options.tag_threshold, options.max_people) == (False, 2.0, 7)
    centred = load("DATASET.WITH_CENTER=true", "TEST.IGNORE_CENTER=false")
    assert build_grouping(centred, coco).joint_order == (17, *coco.grouping_order)
    dropped = load("DATASET.WITH_CENTER=true")
    assert build_grouping(dropped, coco).joint_order == coco.grouping_order


def test_crowdpose_visits_the_first_fourteen_of_the_published_order():
    order = load_skeleton("crowdpose").grouping_order
    assert order == (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13)


def test_the_centre_is_its_own_mirror_joint():
    coco = load_skeleton("coco")
    np.testing.assert_array_equal(flip_index(coco, 18)[:17], coco.flip_index)
    assert flip_index(coco, 18)[17] == 17


def test_augmentation_and_sigma(load):
    cfg = load("DATASET.SCALE_TYPE=long", "DATASET.MAX_SCALE=1.5", "DATASET.FLIP=0.25")
    augmentation = build_augmentation(cfg)
    assert augmentation.fill_long
    assert (augmentation.min_scale, augmentation.max_scale) == (0.75, 1.5)
    assert (augmentation.rotation, augmentation.translate, augmentation.flip) == (30, 40, 0.25)
    assert build_sigma(cfg) is None
    sigma = build_sigma(load("DATASET.SCALE_AWARE_SIGMA=true", "DATASET.INT_SIGMA=true"))
    assert (sigma.base_size, sigma.base_sigma, sigma.whole) == (256, 2, True)
