"""A network that answers with two rows of bins through the real tools: train, test, export."""

import pytest
import yaml
from tool_loader import load_script

from lib.export.onnx_network import OnnxNetwork

train, score = load_script("tools/train.py"), load_script("tools/test.py")
export = load_script("tools/export.py")


def test_rtmpose_trains_tests_and_exports(tiny_config, tmp_path):
    pytest.importorskip("onnxruntime")
    settings = yaml.safe_load(tiny_config.read_text())
    settings["MODEL"] |= {
        "NAME": "rtmpose",
        "TARGET_TYPE": "simcc",
        "CODEC": {"BETA": 10.0, "LABEL_SOFTMAX": True, "NORMALIZE": False},
        "EXTRA": {"DEEPEN_FACTOR": 0.167, "WIDEN_FACTOR": 0.25, "HIDDEN": 16, "SHARED": 8},
    }
    settings["TRAIN"] |= {"END_EPOCH": 1}
    settings["TEST"]["SHIFT_HEATMAP"] = False
    tiny_config.write_text(yaml.safe_dump(settings))
    words = ["--cfg", str(tiny_config)]
    assert train.main(words).finished
    folder = tmp_path / "output/coco/rtmpose/tiny"
    wanted = score.main(words)
    export.main(words)
    file = folder / "model.onnx"
    network = OnnxNetwork(file)
    assert [shape[-1] for shape in network.output_shapes] == [128, 192]
    assert network.card["codec"] == "simcc"
    found = score.main([*words, "TEST.MODEL_FILE", str(file)])
    assert found == pytest.approx(wanted, abs=1e-6, nan_ok=True)
