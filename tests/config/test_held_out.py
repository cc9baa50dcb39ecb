import pytest

from lib.config import load_config
from lib.config.held_out import STILL, held_out_config
from lib.config.photometric import photometric_node


@pytest.fixture
def load(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("", encoding="utf-8")
    return lambda *overrides: load_config(path, overrides)


def test_the_test_split_stands_where_the_training_split_was(load):
    cfg = load(
        "DATASET.TRAIN_SET=train2017", "DATASET.TEST_SET=val2017", "DATASET.IMAGES=a",
        "DATASET.IMAGES_TEST=b", "DATASET.ANNOTATION=c", "DATASET.ANNOTATION_TEST=d",
    )  # fmt: skip
    node = held_out_config(cfg).DATASET
    assert (node.TRAIN_SET, node.IMAGES, node.ANNOTATION) == ("val2017", "b", "d")
    assert node.DATASET == "coco"
    other = held_out_config(load("DATASET.DATASET_TEST=crowd_pose")).DATASET
    assert other.DATASET == "crowd_pose"


def test_nothing_is_drawn_and_the_rest_stays(load):
    cfg = load(
        "DATASET.CUTOUT=true", "DATASET.PHOTOMETRIC.PRESET=strong", "DATASET.SHIFT_FACTOR=0.2",
        "DATASET.STAGES=[{EPOCH: 3, FLIP: 0.9}]", "TRAIN.LR=0.5", "DATASET.SELECT_DATA=true",
    )  # fmt: skip
    held = held_out_config(cfg)
    assert {key: held.DATASET[key] for key in STILL} == STILL
    assert photometric_node() == held.DATASET.PHOTOMETRIC
    assert held.DATASET.STAGES == []
    assert held.TRAIN == cfg.TRAIN
    assert held.MODEL == cfg.MODEL
    assert cfg.DATASET.CUTOUT  # the original is as it was
    assert held.is_frozen()


def test_sets_of_a_mix_are_those_that_are_tested_on(load):
    cfg = load(
        "DATASET.MIX=[{NAME: a, DATASET: coco, ROOT: x, TRAIN_SET: t, TEST_SET: v, WEIGHT: 2, "
        "FLIP: 0.9, STAGES: [{EPOCH: 5, FLIP: 0.1}], PHOTOMETRIC: {PRESET: light}}, "
        "{NAME: b, DATASET: mpii, ROOT: y, TRAIN_SET: t, WEIGHT: 1}]"
    )
    (entry,) = held_out_config(cfg).DATASET.MIX
    assert (entry["NAME"], entry["TRAIN_SET"], entry["WEIGHT"], entry["FLIP"]) == ("a", "v", 0, 0)
    assert not {"PHOTOMETRIC", "STAGES"} & entry.keys()
