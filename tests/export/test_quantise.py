"""What int8 leaves of a network: nearly its answer, and none of its weights in float32."""

import sys
from itertools import pairwise

import pytest
import torch
from torch import nn

from lib.export.graph import Graph
from lib.export.onnx_network import OnnxNetwork
from lib.export.quantise import quantise_onnx
from lib.export.writer import export_onnx
from lib.utils.errors import ConfigError, ExportError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def blocks(*widths):
    for one, other in pairwise(widths):
        yield nn.Conv2d(one, other, 3, 1, 1)
        yield nn.ReLU()


class Small(nn.Module):
    """A convolution, and behind it what must not be rounded: a number of hundreds."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            *blocks(3, 8, 12, 20), nn.Conv2d(20, 20, 5, 1, 2, groups=20), nn.Conv2d(20, 4, 1)
        )

    def forward(self, images):
        maps = self.body(images)
        return maps, images.mean((2, 3)) + 700


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    torch.manual_seed(0)
    network, path = Small().eval(), tmp_path_factory.mktemp("small") / "m.onnx"
    export_onnx(Graph(network, [(24, 20)]), path, {"codec": "udp"})
    return network, path


def batches(count=4):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(3, 3, 20, 24, generator=generator) for _ in range(count)]


def test_int8_is_near_and_small(exported, tmp_path):
    network, path = exported
    quantise_onnx(path, tmp_path / "q.onnx", iter(batches()), {"codec": "udp"})
    images = batches(5)[4]
    found = OnnxNetwork(tmp_path / "q.onnx")
    with torch.no_grad():
        maps, other = network(images)
    got, same = found(images)
    difference = (got - maps).std() / maps.std()
    assert 1e-4 < difference < 0.05
    torch.testing.assert_close(same, other)
    assert found.card == {"codec": "udp", "precision": "int8"}
    assert found.input_shape[0] == "batch"
    kinds = {
        tuple(value.dims): value.data_type
        for value in onnx.load(tmp_path / "q.onnx").graph.initializer
        if len(value.dims) == 4
    }
    whole, eighth = onnx.TensorProto.FLOAT, onnx.TensorProto.INT8
    assert kinds == {
        (8, 3, 3, 3): whole,
        (12, 8, 3, 3): eighth,
        (20, 12, 3, 3): eighth,
        (20, 1, 5, 5): whole,
        (4, 20, 1, 1): whole,
    }


def test_what_it_cannot_do_is_a_sentence(exported, tmp_path, monkeypatch):
    _, path = exported
    with pytest.raises(ExportError, match=r"m\.onnx cannot be quantised: "):
        quantise_onnx(path, tmp_path / "q.onnx", iter([]), {})
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"pip install -e '\.\[export\]'"):
        quantise_onnx(path, tmp_path / "q.onnx", iter(batches()), {})
