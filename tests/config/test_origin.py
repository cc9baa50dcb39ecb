import pytest

from lib.config.loader import load_config, save_config
from lib.config.origin import differences, resolved_values
from lib.utils.errors import ConfigError


@pytest.fixture
def leaf(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(
        "TRAIN: {LR: 0.3, WD: 0.2}\nMODEL: {NAME: pose_resnet, EXTRA: {NUM_LAYERS: 18}}\n"
    )
    (tmp_path / "data.yaml").write_text(
        "DATASET: {ROOT: here, FLIP: true, MIX: [{DATASET: coco, NAME: a}], SIGMA: }\n"
        "LOSS: {USE_TARGET_WEIGHT: true}\nDEBUG: {DEBUG: true}\nTEST:\n"
    )
    path = tmp_path / "leaf.yaml"
    path.write_text(
        "_BASE_: [base.yaml, data.yaml]\nTRAIN: {LR: 0.4, IMAGES_PER_GPU: 5}\n"
        "MODEL: {EXTRA: {TARGET_TYPE: Gaussian}}\n"
    )
    return path


def test_every_value_names_the_file_that_had_the_last_word(leaf):
    (leaf.parent / "data.yaml").write_text("DATASET: {ROOT: here, FLIP: true}\nTEST:\n")
    values = resolved_values(leaf, ["TRAIN.WD=0.1"])
    assert {path: value.value for path, value in values.items()}["TRAIN.LR"] == 0.4
    assert str(values["TRAIN.LR"]) == "leaf.yaml"
    assert str(values["TRAIN.WD"]) == "command line"
    assert str(values["DATASET.FLIP"]) == "data.yaml"
    assert str(values["MODEL.EXTRA.NUM_LAYERS"]) == "base.yaml"
    assert str(values["TRAIN.BATCH_SIZE_PER_GPU"]) == "leaf.yaml, as TRAIN.IMAGES_PER_GPU"
    assert str(values["MODEL.TARGET_TYPE"]) == "leaf.yaml, as MODEL.EXTRA.TARGET_TYPE"
    assert (
        str(values["TEST.FLIP_TEST"]) == str(values["MODEL.EXTRA.NUM_DECONV_LAYERS"]) == "default"
    )


def test_values_that_follow_from_others_say_so(leaf):
    (leaf.parent / "data.yaml").write_text("DATASET: {ROOT: here}\nDATA_DIR: /disk\n")
    values = resolved_values(leaf)
    assert (values["DATASET.ROOT"].value, str(values["DATASET.ROOT"])) == (
        "/disk/here",
        "data.yaml and DATA_DIR",
    )


def test_list_of_nodes_comes_from_the_last_file_that_changes_it(leaf):
    text = (leaf.parent / "data.yaml").read_text().replace("SIGMA: ", "SIGMA: -1")
    (leaf.parent / "data.yaml").write_text(text.replace("NAME: a", "NAME: a, TRAIN_SET: t"))
    assert str(resolved_values(leaf)["DATASET.MIX"]) == "data.yaml"
    values = resolved_values(leaf, ["DATASET.MIX={a: {TRAIN_SET: other}}"])
    assert str(values["DATASET.MIX"]) == "command line"


def test_run_folder_stands_for_its_resolved_file_and_differs_in_what_was_changed(leaf, tmp_path):
    (leaf.parent / "data.yaml").write_text("")
    run = tmp_path / "run"
    run.mkdir()
    save_config(load_config(leaf, ["TRAIN.LR", "0.9", "GPUS=(0,1)"]), run / "config.yaml")
    trees = [{k: v.value for k, v in resolved_values(path).items()} for path in (leaf, run)]
    assert differences(*trees) == {"TRAIN.LR": (0.4, 0.9), "GPUS": ([0], [0, 1])}


def test_folder_without_a_configuration_is_a_sentence(tmp_path):
    with pytest.raises(ConfigError, match="No configuration file"):
        resolved_values(tmp_path)
