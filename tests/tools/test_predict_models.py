"""Which model and which detector ``tools/predict.py`` takes, by name or without one."""

import json
import logging

import pytest
import torch
from tool_loader import load_script
from torchvision.models import detection

from lib.api import PoseEstimator
from lib.config import load_config
from lib.utils.errors import ConfigError, WeightsError

predict = load_script("tools/predict.py")


@pytest.fixture
def shop(own_index, site, tiny_config, tmp_path):
    """An index with a top-down model and a default detector, served on this machine."""
    name = "ssdlite320_mobilenet_v3_large"
    torch.manual_seed(0)
    network = PoseEstimator.from_config(load_config(tiny_config, ["TEST.FOLD_BN=false"])).network
    detector = getattr(detection, name)(weights=None, weights_backbone=None)
    for file, module in (("pose.pth", network), ("find.pth", detector)):
        torch.save(module.state_dict(), tmp_path / file)
        site.files[file] = (tmp_path / file).read_bytes()
    finder = {"url": site.address("find.pth"), "use": "detector", "network": name}
    model = {"url": site.address("pose.pth"), "experiment": "tiny.yaml"}
    own_index({"weights": {"tiny": model, "finder": finder}, "detector": "finder"})
    return site


def test_a_model_by_name_finds_people_with_the_zoos_detector(shop, synthpose, tmp_path, caplog):
    images = str(synthpose / "coco/images/val2017")
    words = [images, "--model", "tiny", "--out", str(tmp_path / "out"), "--min-score", "-9"]
    with caplog.at_level(logging.INFO):
        found = json.loads(predict.main([*words, "--min-box-score", "0.001"]).read_text())
    assert "people are found by finder" in caplog.text
    assert found["model"]["boxes"] == "finder"
    assert [path for path, _ in shop.asked] == ["pose.pth", "find.pth"]
    again = json.loads(predict.main([*words, "--detector", "none", "--offline"]).read_text())
    assert all(len(frame["people"]) == 1 for frame in again["frames"])
    assert again["model"]["boxes"] == "none"
    assert len(shop.asked) == 2


def test_a_configuration_finds_people_with_the_zoos_detector_too(
    shop, tiny_config, synthpose, tmp_path, caplog
):
    images = str(synthpose / "coco/images/val2017")
    words = [images, "--cfg", str(tiny_config), "--out", str(tmp_path / "out"), "--limit", "1"]
    words += ["--min-score", "-9", "--min-box-score", "0.001"]
    weights = ["TEST.MODEL_FILE", str(tmp_path / "pose.pth")]
    file = shop.files.pop("find.pth")
    alone = json.loads(predict.main([*words, *weights]).read_text())
    assert "find.pth" in caplog.text  # where it was looked for
    assert "ONE person per picture" in caplog.text  # what worked before without a download goes on
    assert alone["model"]["boxes"] == "the model itself, one person"
    assert [len(frame["people"]) for frame in alone["frames"]] == [1]
    shop.files["find.pth"] = file
    shop.asked.clear()
    with caplog.at_level(logging.INFO):
        found = json.loads(predict.main([*words, *weights]).read_text())
    assert "people are found by finder" in caplog.text
    assert found["model"]["boxes"] == "finder"
    assert [path for path, _ in shop.asked] == ["find.pth"]


def test_a_name_without_network_is_one_sentence(shop, synthpose, tmp_path):
    words = [str(synthpose / "coco/images/val2017"), "--out", str(tmp_path / "out"), "--offline"]
    with pytest.raises(WeightsError, match=r"offline. Fetch .*pose\.pth by hand and put it there"):
        predict.main([*words, "--model", "tiny"])


def test_a_model_is_named_once(synthpose, tmp_path):
    words = ["--out", str(tmp_path), "--model", "tiny", "--cfg", "x.yaml"]
    with pytest.raises(ConfigError, match="either --model NAME or --cfg FILE"):
        predict.main([str(synthpose / "coco/images/val2017"), *words])


def test_without_any_name_the_model_of_the_index_works_offline(
    shop, own_index, synthpose, tmp_path, caplog
):
    model = {"url": str(tmp_path / "pose.pth"), "experiment": str(tmp_path / "tiny.yaml")}
    own_index({"weights": {"small": model}, "pose": "small"})
    images = synthpose / "coco/images/val2017"
    words = [str(images), "--out", str(tmp_path / "out"), "--offline", "--min-score", "-9"]
    with caplog.at_level(logging.INFO):
        found = json.loads(predict.main([*words, "--limit", "2"]).read_text())
    assert "model: small" in caplog.text
    assert "ONE person per picture" in caplog.text  # no detector can be had
    assert found["model"]["boxes"] == "the model itself, one person"
    assert [len(frame["people"]) for frame in found["frames"]] == [1, 1]
    assert not shop.asked


def test_a_named_model_without_a_detector_does_not_guess(shop, synthpose, tmp_path):
    words = [str(synthpose / "coco/images/val2017"), "--out", str(tmp_path), "--model", "tiny"]
    del shop.files["find.pth"]
    with pytest.raises(WeightsError, match=r"find\.pth"):
        predict.main(words)
