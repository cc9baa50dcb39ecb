"""A network read by the means of its maps through the real tools: train, test, export."""

import pytest
import yaml
from tool_loader import load_script

from lib.export.onnx_network import OnnxNetwork

train, score = load_script("tools/train.py"), load_script("tools/test.py")
export = load_script("tools/export.py")


def test_integral_trains_tests_and_exports(tiny_config, tmp_path):
    pytest.importorskip("onnxruntime")
    settings = yaml.safe_load(tiny_config.read_text())
    settings["MODEL"] |= {"TARGET_TYPE": "integral", "CODEC": {"BETA": 10.0}}
    settings["TRAIN"] |= {"END_EPOCH": 1}
    tiny_config.write_text(yaml.safe_dump(settings))
    words = ["--cfg", str(tiny_config)]
    assert train.main(words).finished
    wanted = score.main(words)
    export.main(words)
    file = next((tmp_path / "output").rglob("model.onnx"))
    card = OnnxNetwork(file).card
    assert card["codec"] == "integral"
    assert card["softmax_beta"] == 10
    found = score.main([*words, "TEST.MODEL_FILE", str(file)])
    assert found == pytest.approx(wanted, abs=1e-6, nan_ok=True)
