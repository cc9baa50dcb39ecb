"""Model cards inside files: in and out, and files without."""

import math

import pytest
import torch

from lib.models.weights_file import read_checkpoint
from lib.utils.errors import WeightsError
from lib.zoo.card import read_card, safetensors_bytes

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
            with pytest.raises(WeightsError, match=r"w\.safetensors is damaged or no safetensors"):
                read(tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="No weight file"):
        read_card(tmp_path / "none.safetensors")
