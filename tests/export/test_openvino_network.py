"""OpenVINO answers as the network, from its own files and from ONNX."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from lib.export import is_exported, open_network
from lib.export.graph import Graph
from lib.export.openvino_network import OpenVinoNetwork
from lib.export.writer import export_onnx
from lib.utils.errors import ConfigError, WeightsError
from lib.zoo.card import read_card

pytest.importorskip("onnxruntime")
CARD = {"codec": "udp", "joints": ["nose", "left_eye"], "config": "A: {B: '<c> & \"d\"'}\n# e\n"}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A network, its ONNX file, and (where openvino is there) the same as .xml and .bin."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 3, 2, 1), nn.ReLU(), nn.Conv2d(5, 2, 1)).eval()
    path = tmp_path_factory.mktemp("ov") / "m.onnx"
    export_onnx(Graph(network, [(12, 20)]), path, CARD)
    return network, path


def converted(path):
    openvino = pytest.importorskip("openvino")
    model = openvino.Core().read_model(str(path))
    openvino.save_model(model, str(path.with_suffix(".xml")), compress_to_fp16=False)
    return path.with_suffix(".xml")


def test_it_answers_as_the_network(exported):
    network, path = exported
    images = torch.randn(4, 3, 20, 12).contiguous(memory_format=torch.channels_last)
    wanted = network(images).detach()
    for file in (path, converted(path)):
        found = open_network(file, threads=1, runtime="openvino")
        assert found.runtime == "OpenVINO"
        answer = found(images)
        np.testing.assert_allclose(answer, wanted, atol=1e-5)
        found(images + 1)
        np.testing.assert_allclose(answer, wanted, atol=1e-5)  # its memory is its own
        assert found.card == {**CARD, "exporter": "recording"}
        found.check_sizes([12, 20], {"heatmaps": (2, 10, 6)})
        with pytest.raises(WeightsError, match="HEATMAP_SIZE"):
            found.check_sizes([12, 20], {"heatmaps": (2, 6, 10)})
        with pytest.raises(WeightsError, match=r"cannot be computed for images \(1, 3, 8, 8\)"):
            found(torch.zeros(1, 3, 8, 8))
    assert is_exported(file)
    assert isinstance(open_network(file), OpenVinoNetwork)


OPEN = """
import ctypes, sys
from lib.export import open_network
from lib.utils.signal_stack import SignalStack

def stack():
    found = SignalStack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(found))
    return found.address, found.size

before = stack()
network = open_network(sys.argv[1], runtime="openvino")
assert stack() == before, (stack(), before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="sigaltstack is asked as Linux has it")
def test_signals_keep_their_stack(exported):
    """In a process of its own, where no other network has changed the stack before."""
    pytest.importorskip("openvino")
    run = subprocess.run(
        [sys.executable, "-c", OPEN, str(exported[1])], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_a_card_is_read_without_openvino(exported, monkeypatch, tmp_path):
    file = converted(exported[1])
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert read_card(file)["config"] == CARD["config"]
    with pytest.raises(ConfigError, match=r"pip install -e '\.\[openvino\]'"):
        open_network(file)
    (tmp_path / "cut.xml").write_text(file.read_text()[:-30])
    assert read_card(tmp_path / "cut.xml") == {}


def test_what_it_cannot_run_is_a_sentence(exported, tmp_path):
    file = converted(exported[1])
    with pytest.raises(WeightsError, match=r"No weight file .*none\.xml"):
        open_network(tmp_path / "none.xml")
    lone = tmp_path / "lone.xml"
    lone.write_bytes(file.read_bytes())
    with pytest.raises(WeightsError, match=r"No weight file .*lone\.bin"):
        open_network(lone)
    lone.write_text("<a>")
    (tmp_path / "lone.bin").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"lone\.xml cannot be run by OpenVINO: "):
        open_network(lone)
    with pytest.raises(
        ConfigError, match=r"RUNTIME onnxruntime does not run .*\.xml; openvino does"
    ):
        open_network(file, runtime="onnxruntime")
    with pytest.raises(ConfigError, match=r"torch does not run .*\.onnx; onnxruntime and openvino"):
        open_network(exported[1], runtime="torch")


def test_other_inputs_are_refused(tmp_path):
    pytest.importorskip("openvino")

    class Sum(nn.Module):
        def forward(self, a, b):
            return a + b

    for count, shape in ((2, (1, 3, 4, 4)), (1, (1, 4, 4, 3))):
        sample = tuple(torch.zeros(shape) for _ in range(count))
        network, file = Sum() if count == 2 else nn.ReLU(), tmp_path / "m.onnx"
        torch.onnx.export(network, sample, str(file), dynamo=False, opset_version=17)
        with pytest.raises(WeightsError, match=r"m\.onnx must have one input, .* but has \[1,"):
            OpenVinoNetwork(file)
