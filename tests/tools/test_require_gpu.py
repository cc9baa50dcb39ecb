"""``--require-gpu`` and ``REQUIRE_GPU`` through the real tools: exit code 2 and one sentence."""

import cv2
import numpy as np
import pytest
import torch
from tool_loader import load_script

from lib.utils.cli import run_tool


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr("lib.engine.device.has_mps", lambda: False)


@pytest.fixture
def words(tmp_path, tiny_config):
    from lib.api import PoseEstimator
    from lib.config import load_config

    cfg = load_config(tiny_config, ["TEST.FOLD_BN=false"])
    network = PoseEstimator.from_config(cfg, device="cpu").network
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    cv2.imwrite(str(tmp_path / "one.png"), np.full((40, 30, 3), 90, np.uint8))
    out = str(tmp_path / "out")
    common = ["--cfg", str(tiny_config), f"TEST.MODEL_FILE={tmp_path / 'weights.pth'}"]
    return {
        "train": common,
        "test": common,
        "export": ["--out", str(tmp_path / "model"), *common, "--format", "torchscript"],
        "predict": [str(tmp_path / "one.png"), "--detector", "none", "--out", out, *common],
    }


@pytest.mark.parametrize("tool", ["train", "test", "export", "predict"])
@pytest.mark.parametrize("way", ["--require-gpu", "REQUIRE_GPU=true"])
def test_no_slow_run_instead(no_gpu, words, capsys, tmp_path, tool, way):
    main = load_script(f"tools/{tool}.py").main
    at = words[tool].index("--cfg") + 2
    with pytest.raises(SystemExit) as left:
        run_tool(lambda: main([*words[tool][:at], way, *words[tool][at:]]))
    assert left.value.code == 2
    assert "error: REQUIRE_GPU is true, but there is no GPU" in capsys.readouterr().err
    assert not list(tmp_path.rglob("metrics*"))
    assert not list(tmp_path.rglob("checkpoint.pth"))


def test_doctor_says_where_a_yaml_runs(no_gpu, words, capsys):
    main = load_script("tools/doctor.py").main
    cfg = words["train"][1]
    main(["--cfg", cfg])
    said = capsys.readouterr().out
    assert "device\n  ok   CPU (" in said
    assert "float32" in said
    assert "thread(s)" in said
    assert main(["--cfg", cfg, "--require-gpu"]) is False
    assert "device\n  FIX  REQUIRE_GPU is true, but there is no GPU" in capsys.readouterr().out


@pytest.mark.parametrize("tool", ["test", "export", "predict"])
def test_each_says_where_it_runs(no_gpu, words, caplog, tool):
    load_script(f"tools/{tool}.py").main(words[tool])
    assert "device: CPU (" in caplog.text
    assert "float32, " in caplog.text
    if tool != "export":  # which is asked for no GPU
        assert "there is no GPU" in caplog.text


def test_onnx_files_name_the_provider_that_runs(no_gpu, words, caplog, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    from lib.api import PoseEstimator
    from lib.config import load_config
    from lib.utils.errors import ConfigError

    load_script("tools/export.py").main([*words["export"][:-1], "onnx"])
    caplog.clear()
    cfg = load_config(words["test"][1])
    estimator = PoseEstimator.from_config(cfg, tmp_path / "model.onnx")
    assert estimator.network.provider == "CPUExecutionProvider"
    assert "the network in CPUExecutionProvider of onnxruntime, float32" in caplog.text
    # A GPU for torch alone is not what was asked for.
    monkeypatch.setattr("lib.api.setup_device", lambda _: (torch.device("cpu"), []))
    cfg = load_config(words["test"][1], ["REQUIRE_GPU=true"])
    with pytest.raises(ConfigError, match=r"onnxruntime runs .*model\.onnx on the CPU"):
        PoseEstimator.from_config(cfg, tmp_path / "model.onnx")
