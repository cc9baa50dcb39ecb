"""The exported file scores as the weights it was made of."""

import json

import numpy as np
import pytest
import torch
from tool_loader import load_script

from lib.api import PoseEstimator
from lib.config import load_config
from lib.export.onnx_network import OnnxNetwork
from lib.utils.errors import ConfigError, ExportError, WeightsError

export, score = load_script("tools/export.py"), load_script("tools/test.py")
pytest.importorskip("onnxruntime")


def test_export_then_test(tiny_config, tmp_path, caplog):
    folder = tmp_path / "output/coco/pose_hrnet/tiny"
    words = ["--untrained", "--format", *export.ENDINGS]
    torch.manual_seed(0)
    differences = export.main(["--cfg", str(tiny_config), *words])
    assert set(differences) == {"onnx", "torchscript", "program"}
    card = OnnxNetwork(folder / "model.onnx").card
    assert card["input_size"] == [64, 96]
    assert card["heatmap_size"] == [16, 24]
    assert card["codec"] == "gaussian"
    assert len(card["joints"]) == 17

    torch.manual_seed(0)
    eager = score.main(["--cfg", str(tiny_config), "--untrained"])
    rows = json.loads((folder / "untrained/results/keypoints_val2017_results_0.json").read_text())
    for ending in export.ENDINGS.values():
        file = str(folder / f"model{ending}")
        exported = score.main(["--cfg", str(tiny_config), "TEST.MODEL_FILE", file])
        again = json.loads((folder / "results/keypoints_val2017_results_0.json").read_text())
        assert len(rows) == len(again)
        assert exported.keys() == eager.keys()
        for one, other in zip(rows, again, strict=True):
            assert one["score"] == pytest.approx(other["score"], abs=1e-4)

    run = ["--cfg", str(tiny_config), "TEST.MODEL_FILE", str(folder / "model.onnx")]
    with pytest.raises(WeightsError, match="set MODEL"):
        score.main([*run, "MODEL.IMAGE_SIZE", "[96,128]", "MODEL.HEATMAP_SIZE", "[24,32]"])
    with pytest.raises(ConfigError, match="already"):
        export.main(run)
    caplog.clear()
    score.main([*run, "DATASET.COLOR_RGB", "false"])
    assert "was trained with color_rgb True, and is used with False" in caplog.text


def test_files_alone_are_models(tiny_config, tmp_path, synthpose, monkeypatch):
    """Neither YAML nor data set nor run folder is there when they are used."""
    torch.manual_seed(0)
    words = ["--cfg", str(tiny_config), "--untrained", "--out", str(tmp_path / "m")]
    export.main([*words, "--format", *export.ENDINGS])
    torch.manual_seed(0)
    words = ["TEST.FOLD_BN=false"]
    there = PoseEstimator.from_config(load_config(tiny_config, words), device="cpu")
    image = np.random.default_rng(0).integers(0, 255, (50, 70, 3), np.uint8)
    wanted = there.predict(image)[0]
    tiny_config.unlink()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lib.annotations.reading.read_json", None)
    for ending in export.ENDINGS.values():
        found = PoseEstimator.from_pretrained(f"m{ending}", device="cpu")
        assert found.skeleton.joints == there.skeleton.joints
        person = found.predict(image)[0]
        np.testing.assert_allclose(person.keypoints, wanted.keypoints, atol=0.01)
        np.testing.assert_allclose(person.keypoint_scores, wanted.keypoint_scores, atol=1e-4)


def test_a_file_of_torch_of_another_size_is_refused(tiny_config, tmp_path):
    words = ["--cfg", str(tiny_config), "--untrained", "--out", str(tmp_path / "m")]
    export.main([*words, "--format", "program"])
    run = ["--cfg", str(tiny_config), "TEST.MODEL_FILE", str(tmp_path / "m.pt2")]
    with pytest.raises(WeightsError, match=r"set MODEL\.IMAGE_SIZE"):
        score.main([*run, "MODEL.IMAGE_SIZE", "[96,128]", "MODEL.HEATMAP_SIZE", "[24,32]"])


def test_rcnn_says_why_not(synthpose):
    words = ["DATASET.ROOT", str(synthpose / "coco"), "--untrained"]
    with pytest.raises(ExportError, match="depends on the boxes"):
        export.main(["--cfg", "experiments/synthpose/keypoint_rcnn_r18.yaml", *words])
