"""Files are kept if they compute what the network computes, and say what they are."""

import sys
from functools import partial

import pytest
import torch
from torch import nn

from lib.export.exporters import ONNX_EXPORTERS
from lib.export.graph import Graph, largest_difference
from lib.export.onnx_network import OnnxNetwork
from lib.export.torch_network import TorchNetwork
from lib.export.writer import (
    TOLERANCE,
    compare,
    export_onnx,
    export_program,
    export_torchscript,
)
from lib.models.layers.transformer import WindowAttention
from lib.utils.errors import ConfigError, ExportError
from lib.zoo.card import unpack_card

CARD = {"codec": "udp", "joints": ["nose", "left_eye"], "color_rgb": True}
pytest.importorskip("onnxruntime")


class FreezesBatch(nn.Module):
    """Decides by the number of images, which a recording cannot follow."""

    def forward(self, images):
        return images.mean(1, keepdim=True) * (1.0 if len(images) == 2 else 2.0)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 5, 3, 2, 1), nn.BatchNorm2d(5), nn.Conv2d(5, 2, 1))


def test_onnx_takes_any_number_of_images_and_keeps_its_card(tmp_path):
    path = tmp_path / "below" / "model.onnx"
    assert export_onnx(Graph(network(), [(12, 20)]), path, CARD) < 1e-5
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    loaded = OnnxNetwork(path)
    assert loaded.card == {**CARD, "exporter": "recording"}
    assert loaded(torch.zeros(7, 3, 20, 12)).shape == (7, 2, 10, 6)


def without_the_old_exporter(monkeypatch):
    """Let torch be as it will be one day."""
    export = torch.onnx.export

    def only_new(*args, dynamo=True, **options):
        if not dynamo:
            raise TypeError("there is no recording exporter in this torch")
        return export(*args, **options)

    monkeypatch.setattr("torch.onnx.export", only_new)


def test_the_next_exporter_writes_what_the_first_cannot(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setitem(ONNX_EXPORTERS, "program", ONNX_EXPORTERS["recording"])
    monkeypatch.setitem(ONNX_EXPORTERS, "recording", lambda *_: no_exporter())
    assert export_onnx(Graph(network(), [(12, 20)]), tmp_path / "model.onnx", CARD) < 1e-5
    assert "model.onnx: written by torch's program exporter. (recording: none" in caplog.text
    assert OnnxNetwork(tmp_path / "model.onnx").card == {**CARD, "exporter": "program"}
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def no_exporter():
    raise ExportError("none here")


@pytest.mark.slow
def test_whoever_has_only_the_newer_exporter_gets_a_file(tmp_path, monkeypatch, caplog):
    pytest.importorskip("onnxscript")
    without_the_old_exporter(monkeypatch)
    caplog.set_level("INFO")
    graph = Graph(network(), [(12, 20), (16, 8)])
    assert export_onnx(graph, tmp_path / "model.onnx", CARD) < 1e-5
    assert "there is no recording exporter in this torch" in caplog.text
    loaded = OnnxNetwork(tmp_path / "model.onnx")
    assert loaded.card == {**CARD, "exporter": "program"}
    assert loaded.input_shape == ["batch", 3, "height", "width"]
    assert loaded(torch.zeros(7, 3, 6, 10)).shape == (7, 2, 3, 5)


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    graph, path = Graph(network(), [(12, 20)]), tmp_path / "model.onnx"
    with pytest.raises(ConfigError, match=r"onnxscript: pip install -e '\.\[export\]'"):
        export_onnx(graph, path, CARD, exporters=["program"])
    export_onnx(graph, path, CARD)  # nobody needs it for most networks
    path.unlink()
    without_the_old_exporter(monkeypatch)
    with pytest.raises(ExportError, match=r"recording: .* program: .* pip install"):
        export_onnx(graph, path, CARD)
    assert not list(tmp_path.iterdir())


def test_a_free_size(tmp_path):
    export_onnx(Graph(network(), [(12, 20), (16, 8)]), tmp_path / "model.onnx", CARD)
    assert OnnxNetwork(tmp_path / "model.onnx")(torch.zeros(1, 3, 6, 10)).shape == (1, 2, 3, 5)


@pytest.mark.parametrize("write", [export_torchscript, export_program])
def test_files_of_torch_take_any_number_and_keep_their_card(tmp_path, write):
    path = tmp_path / ("model.pt2" if write is export_program else "model.pt")
    assert write(Graph(network(), [(12, 20)]), path, CARD) < 1e-5
    loaded = TorchNetwork(path)
    assert loaded.card == CARD
    assert loaded(torch.zeros(7, 3, 20, 12)).shape == (7, 2, 10, 6)
    assert write(Graph(network(), [(12, 20), (16, 8)]), path, CARD) < 1e-5
    assert TorchNetwork(path)(torch.zeros(1, 3, 6, 10)).shape == (1, 2, 3, 5)


@pytest.mark.parametrize(
    "write",
    [partial(export_onnx, exporters=["recording"]), export_torchscript, export_program],
    ids=["onnx", "torchscript", "program"],
)
def test_what_computes_something_else_leaves_no_file(tmp_path, write):
    path = tmp_path / "model.pt2"
    path.write_text("the one before")
    with pytest.raises(ExportError, match=r"differs from the network|cannot take 1 images"):
        write(Graph(FreezesBatch(), [(12, 20)]), path, CARD)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["the one before"]


def test_what_onnx_lacks_is_a_sentence(tmp_path):
    class Strange(nn.Module):
        def forward(self, images):
            return torch.linalg.eigvals(images @ images.mT).real

    graph, path = Graph(Strange(), [(4, 4)]), tmp_path / "model.onnx"
    with pytest.raises(ExportError, match="cannot be written as ONNX"):
        export_onnx(graph, path, CARD, exporters=["recording"])


def test_rounding_of_maps_without_anybody_is_no_difference():
    nobody = 5e-4 * torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert (
        largest_difference(nobody, nobody + 4e-7)
        < TOLERANCE
        < largest_difference(nobody, nobody + 1e-5)
    )


def test_difference_in_spreads():
    wanted = torch.tensor([0.0, 2.0, 4.0])
    assert largest_difference(wanted, wanted + 0.5) == pytest.approx(0.25)
    assert largest_difference([wanted, wanted], [wanted, wanted * 2]) == pytest.approx(2)
    assert largest_difference(wanted, wanted[:2]) == float("inf")
    assert largest_difference([wanted, wanted], wanted) == float("inf")
    with pytest.raises(ExportError):  # NaN must not pass either
        compare(Graph(nn.Identity(), [(4, 4)]), lambda images: images * float("nan"), 1.0)


def test_other_exporters_metadata_stays_text():
    assert unpack_card({"names": "{0: 'person'}", "stride": "32"}) == {
        "names": "{0: 'person'}",
        "stride": 32,
    }


def test_window_attention_takes_any_number_of_images(tmp_path):
    class Windows(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = WindowAttention(8, heads=2, window=7)

        def forward(self, images):
            tokens = images.repeat(1, 3, 1, 1)[:, :8].permute(0, 2, 3, 1)
            return self.attention(tokens).permute(0, 3, 1, 2)

    assert export_onnx(Graph(Windows(), [(12, 16)]), tmp_path / "model.onnx", CARD) < 1e-5
