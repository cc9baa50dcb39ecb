"""Weights on the command line: published ones bring the keys they want, runs their best."""

import os

import pytest

from lib.config.cli import config_parser, find_weights, parse_config, run_weights
from lib.utils.errors import WeightsError
from lib.zoo.fetch import OFFLINE


@pytest.fixture
def shop(own_index, site, tiny_config):
    site.files["w.pth"] = b"content"
    entry = {"url": site.address("w.pth"), "experiment": "tiny.yaml"}
    entry["settings"] = ["MODEL.TARGET_TYPE=udp", "DATASET.COLOR_RGB=false"]
    own_index({"weights": {"mine": entry}, "experiments": {"tiny": "mine"}})
    return site


@pytest.mark.parametrize("text", ["zoo:", "zoo:mine", "mine"])
def test_published_weights_bring_their_settings(shop, tiny_config, text):
    words = ["--cfg", str(tiny_config), "TEST.MODEL_FILE", text, "DATASET.COLOR_RGB", "true"]
    cfg, _ = parse_config(config_parser("test"), words)
    assert cfg.TEST.MODEL_FILE == "zoo:mine"
    assert cfg.MODEL.TARGET_TYPE == "udp"
    assert cfg.DATASET.COLOR_RGB is True  # the user's own word is the last
    assert find_weights(cfg, tiny_config.parent).read_bytes() == b"content"


def test_an_experiment_without_weights_is_one_sentence(own_index, tiny_config):
    own_index({"weights": {}})
    with pytest.raises(WeightsError, match="is none with weights; name some"):
        parse_config(config_parser("x"), ["--cfg", str(tiny_config), "TEST.MODEL_FILE", "zoo:"])


def test_names_are_not_put_below_the_data_folder(shop, tiny_config):
    words = ["--cfg", str(tiny_config), "DATA_DIR", "/disk", "MODEL.PRETRAINED", "zoo:mine"]
    cfg, _ = parse_config(config_parser("x"), [*words, "TEST.MODEL_FILE", "models/w.pth"])
    assert cfg.MODEL.PRETRAINED == "zoo:mine"
    assert cfg.TEST.MODEL_FILE == "/disk/models/w.pth"


def test_offline_holds_for_the_whole_call(shop, tiny_config, monkeypatch):
    monkeypatch.setenv(OFFLINE, "")
    words = ["--cfg", str(tiny_config), "--offline", "TEST.MODEL_FILE", "zoo:"]
    cfg, _ = parse_config(config_parser("x"), words)
    with pytest.raises(WeightsError, match="this is offline"):
        find_weights(cfg, tiny_config.parent)


def test_a_runs_weights_are_its_best_in_the_newer_format(tmp_path):
    assert run_weights(tmp_path) is None
    (tmp_path / "final_state.safetensors").write_bytes(b"")
    assert run_weights(tmp_path).name == "final_state.safetensors"
    for name, time in (("model_best.pth", 2000), ("model_best.safetensors", 1000)):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (time, time))
    assert run_weights(tmp_path).name == "model_best.pth"
