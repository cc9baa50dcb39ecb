"""The exported file scores as the weights it was made of."""

import json

import pytest
import torch
from tool_loader import load_script

from lib.export.onnx_network import OnnxNetwork
from lib.utils.errors import ConfigError, ExportError, WeightsError

export, score = load_script("tools/export.py"), load_script("tools/test.py")
pytest.importorskip("onnxruntime")


def test_export_then_test(tiny_config, tmp_path, caplog):
    folder = tmp_path / "output/coco/pose_hrnet/tiny"
    words = ["--untrained", "--format", "onnx", "torchscript"]
    torch.manual_seed(0)
    differences = export.main(["--cfg", str(tiny_config), *words])
    assert set(differences) == {"onnx", "torchscript"}
    card = OnnxNetwork(folder / "model.onnx").card
    assert card["input_size"] == [64, 96]
    assert card["heatmap_size"] == [16, 24]
    assert card["codec"] == "gaussian"
    assert len(card["joints"]) == 17
    assert (folder / "model.torchscript.pt").is_file()

    torch.manual_seed(0)
    eager = score.main(["--cfg", str(tiny_config), "--untrained"])
    rows = json.loads((folder / "untrained/results/keypoints_val2017_results_0.json").read_text())
    exported = score.main(
        ["--cfg", str(tiny_config), "TEST.MODEL_FILE", str(folder / "model.onnx")]
    )
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


def test_rcnn_says_why_not(synthpose):
    words = ["DATASET.ROOT", str(synthpose / "coco"), "--untrained"]
    with pytest.raises(ExportError, match="depends on the boxes"):
        export.main(["--cfg", "experiments/synthpose/keypoint_rcnn_r18.yaml", *words])
