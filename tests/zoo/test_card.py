"""Model cards inside files: in and out, and files without."""

import math
import sys

import pytest
import torch

from lib.models.weights_file import read_checkpoint
from lib.utils.errors import WeightsError
from lib.zoo.card import pack_card, read_card, safetensors_bytes

CARD = {"codec": "udp", "joints": ["nose", "left_eye"], "config": "A: 1\n", "mean": [0.1, 0.2]}


def test_tensors_and_card_come_back(tmp_path):
    state = {"a.weight": torch.arange(6.0).reshape(2, 3).t(), "n": torch.tensor(7)}
    (tmp_path / "w.safetensors").write_bytes(safetensors_bytes(state, CARD))
    found, payload = read_checkpoint(tmp_path / "w.safetensors")
    assert all(torch.equal(found[key], state[key]) for key in state)
    assert {key: payload["meta"][key] for key in CARD} == CARD
    assert read_card(tmp_path / "w.safetensors") == CARD


def test_tensors_that_share_memory_are_written_each(tmp_path):
    table = torch.arange(4.0)
    data = safetensors_bytes({"a": table, "b": table, "c": table[1:]}, {})
    (tmp_path / "w.safetensors").write_bytes(data)
    found, payload = read_checkpoint(tmp_path / "w.safetensors")
    assert torch.equal(found["b"], table)
    assert torch.equal(found["c"], table[1:])
    assert payload["meta"] == {"format": "pt"}


def test_scores_that_are_no_numbers_become_null(tmp_path):
    card = {"scores": {"metrics": {"AP": math.nan, "AR": 0.5}}}
    (tmp_path / "w.safetensors").write_bytes(safetensors_bytes({"a": torch.ones(1)}, card))
    assert read_card(tmp_path / "w.safetensors")["scores"]["metrics"] == {"AP": None, "AR": 0.5}


def test_our_pth_files_have_their_card_in_meta(tmp_path):
    torch.save({"state_dict": {"a": torch.ones(1)}, "meta": CARD}, tmp_path / "w.pth")
    assert read_card(tmp_path / "w.pth") == CARD


@pytest.mark.parametrize("legacy", [True, False])
def test_files_of_others_have_none(tmp_path, legacy):
    content = {"state_dict": {"a": torch.ones(1)}, "meta": {"config": {"a": 1}}}
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    assert read_card(tmp_path / "w.pth") == {}


def test_damaged_files_are_named(tmp_path):
    data = safetensors_bytes({"a": torch.ones(100)}, CARD)
    for content in (data[:-7], b"", b"\xff" * 64):
        (tmp_path / "w.safetensors").write_bytes(content)
        for read in (read_card, read_checkpoint):
            with pytest.raises(
                WeightsError, match=r"w\.safetensors is damaged or not a safetensors"
            ):
                read(tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="No weight file"):
        read_card(tmp_path / "none.safetensors")


def test_an_onnx_file_is_read_without_its_packages(tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx")
    tensor = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [70, 100], [0.5] * 7000)
    node = onnx.helper.make_node("Identity", ["w"], ["y"])
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [70, 100])
    graph = onnx.helper.make_graph([node], "g", [], [output], [tensor])
    model = onnx.helper.make_model(graph)
    for card in (CARD | {"long": "x" * 70000, "umlaut": "ä", "nothing": ""}, {}):
        onnx.helper.set_model_props(model, pack_card(card))
        onnx.save(model, tmp_path / "m.onnx")
        monkeypatch.setitem(sys.modules, "onnx", None)
        assert read_card(tmp_path / "m.onnx") == card
        monkeypatch.undo()
    whole = (tmp_path / "m.onnx").read_bytes()
    for content in (whole[:-3], whole[: len(whole) // 2], b"", b"\xff" * 40, b"no model"):
        (tmp_path / "m.onnx").write_bytes(content)
        assert read_card(tmp_path / "m.onnx") == {}
