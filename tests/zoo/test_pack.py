import pytest
import torch

from lib.utils.errors import WeightsError
from lib.zoo.card import read_card, read_safetensors
from lib.zoo.pack import pack, without_paths

CONFIG = """
OUTPUT_DIR: /home/somebody/runs
DATASET:
  ROOT: 'D:\\data\\coco'
  MIX: [{ROOT: /data/mpii/, IMAGES: images/val}]
MODEL: {NAME: posenet, IMAGE_SIZE: [24, 32]}
"""


def run_file(tmp_path, value=3.14159, meta=None):
    path = tmp_path / "model_best.pth"
    state = {"weight": torch.full((2, 3), value), "count": torch.tensor(70000)}
    known = (
        {"config": CONFIG, "task": "topdown", "scores": {"metrics": {"AP": 0.5}}}
        if meta is None
        else meta
    )
    torch.save({"state_dict": state, "meta": known}, path)
    return path


def packed(tmp_path, *args, **words):
    out = tmp_path / "out.safetensors"
    out.write_bytes(pack(*args, **words))
    return read_safetensors(out)[0], read_card(out)


def test_paths_of_the_machine_are_left_out():
    text = without_paths(CONFIG)
    assert "somebody" not in text
    assert "OUTPUT_DIR: runs" in text
    assert "ROOT: coco" in text  # Windows
    assert "ROOT: mpii" in text
    assert "images/val" in text  # below the data set's folder: no path of a machine
    assert "posenet" in text


def test_a_file_keeps_its_weights_and_says_what_is_new(tmp_path):
    state, card = packed(tmp_path, run_file(tmp_path), {"licence": "mit", "note": ""})
    assert state["weight"].dtype == torch.float32
    assert torch.equal(state["weight"], torch.full((2, 3), 3.14159))
    assert card["licence"] == "mit"
    assert "note" not in card
    assert card["scores"]["metrics"]["AP"] == 0.5
    assert "somebody" not in card["config"]


def test_half_precision_keeps_whole_numbers_and_drops_scores_of_other_weights(tmp_path):
    state, card = packed(tmp_path, run_file(tmp_path), {}, half=True)
    assert state["weight"].dtype == torch.float16
    assert state["count"] == 70000
    assert "scores" not in card
    scores = {"metrics": {"AP": 0.25}}
    _, card = packed(tmp_path, run_file(tmp_path), {"scores": scores}, half=True)
    assert card["scores"] == scores


def test_what_was_half_already_keeps_its_scores(tmp_path):
    first = tmp_path / "half.safetensors"
    scores = {"metrics": {"AP": 0.25}}
    first.write_bytes(pack(run_file(tmp_path), {"scores": scores}, half=True))
    assert packed(tmp_path, first, {}, half=True)[1]["scores"] == scores


def test_what_cannot_be_packed_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"beyond 65504.*--half"):
        pack(run_file(tmp_path, value=1e6), {}, half=True)
    with pytest.raises(WeightsError, match="no model card"):
        pack(run_file(tmp_path, meta={}), {})
