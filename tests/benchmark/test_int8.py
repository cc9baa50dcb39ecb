"""The gate of int8: what loses too much is not kept, and everything is told."""

import numpy as np
import pytest
import torch
from tool_loader import load_script

from lib.api import PoseEstimator
from lib.benchmark import int8
from lib.benchmark.int8 import Comparison, calibrating_images, write_int8
from lib.config import load_config
from lib.engine.inference import Evaluation
from lib.export.onnx_network import OnnxNetwork
from lib.tasks import build_task
from lib.utils.errors import ExportError

export = load_script("tools/export.py")
pytest.importorskip("onnxruntime")


@pytest.fixture
def exported(tiny_config, tmp_path):
    torch.manual_seed(0)
    export.main(["--cfg", str(tiny_config), "--untrained", "--out", str(tmp_path / "m")])
    return load_config(tiny_config), tmp_path / "m.onnx"


def scored(monkeypatch, *scores):
    """Let the test split say these scores, one after the other."""
    left = list(scores)
    monkeypatch.setattr(
        PoseEstimator, "evaluate", lambda _: Evaluation({}, left.pop(0), {}, people=1)
    )


def test_a_file_that_loses_too_much_is_not_kept(exported, tmp_path, monkeypatch):
    cfg, source = exported
    target, card = tmp_path / "m.int8.onnx", {"codec": "gaussian"}
    for scores in ((0.5, 0.485), (0.5, float("nan"))):
        scored(monkeypatch, *scores)
        with pytest.raises(
            ExportError, match=rf"AP 0\.5000 -> {scores[1]:.4f}, .* more than 0\.01"
        ):
            write_int8(cfg, source, target, card, images=3, bound=0.01)
        assert not target.exists()
    scored(monkeypatch, 0.5, 0.485)
    assert write_int8(cfg, source, target, card, images=3, bound=0.02).loss == pytest.approx(0.015)
    target.unlink()
    scored(monkeypatch, 0.5, 0.2)
    write_int8(cfg, source, target, card, images=3, bound=0.01, accept=True)
    assert OnnxNetwork(target).card == {"codec": "gaussian", "precision": "int8"}
    assert sorted(path.name for path in tmp_path.glob("*.onnx")) == ["m.int8.onnx", "m.onnx"]


def test_the_tool_writes_both_and_tells(tiny_config, tmp_path, capsys):
    torch.manual_seed(0)
    words = ["--cfg", str(tiny_config), "--untrained", "--out", str(tmp_path / "m")]
    export.main([*words, "--int8", "5", "--max-loss", "1"])
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith(f"{tmp_path / 'm.int8.onnx'}: AP ")
    for part in ("loss ", " MB (", " ms per image (", " times as fast, 1 thread"):
        assert part in line
    found = PoseEstimator.from_pretrained(tmp_path / "m.int8.onnx", device="cpu")
    image = np.random.default_rng(0).integers(0, 255, (50, 70, 3), np.uint8)
    assert found.predict(image)[0].keypoints.shape == (17, 2)


def test_calibrating_images_are_drawn_by_the_seed(tiny_config, monkeypatch):
    monkeypatch.setattr(int8, "BATCH", 4)
    task = build_task(load_config(tiny_config))
    first, again, other = (torch.cat(list(calibrating_images(task, 6, seed))) for seed in (0, 0, 1))
    assert first.shape == (6, 3, 96, 64)
    assert first.is_contiguous()
    assert abs(first.mean()) < 3  # normalised
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_line_has_every_figure():
    found = Comparison("AP", (0.5, 0.49), (4 * 2**20, 2**20), (8.0, 4.0), 2.1)
    assert str(found).startswith(
        "AP 0.5000 -> 0.4900, loss 0.0100; 4.0 -> 1.0 MB (0.25); 8.00 -> 4.00 ms per image (2.10 "
    )
