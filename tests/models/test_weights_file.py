"""Weight files as people have them: wrapped, prefixed, with NumPy scalars, damaged, hostile."""

import pickle
import types
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn
from yacs.config import CfgNode

from lib.models.weights_file import read_checkpoint, unwrap
from lib.utils.errors import WeightsError

STATE = {"conv.weight": torch.arange(6.0).reshape(2, 3), "bn.num_batches_tracked": torch.tensor(7)}


def prefixed(prefix):
    return {prefix + key: value for key, value in STATE.items()}


def saved(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    return tmp_path / "w.pth"


def assert_is_state(state):
    assert list(state) == list(STATE)
    assert all(torch.equal(state[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        prefixed("module."),
        prefixed("1."),
        prefixed("module.1."),
        prefixed("_orig_mod.module."),
        prefixed("module._orig_mod."),
        {"state_dict": prefixed("module."), "best_state_dict": {"other": STATE["conv.weight"] * 2}},
        {"model": STATE, "optimizer": {}},
        {"model": "pose_hrnet", "epoch": 3, "best_state_dict": STATE},
    ],
)
def test_tensors_are_found_in_every_wrapping(tmp_path, content):
    assert_is_state(read_checkpoint(saved(tmp_path, content))[0])


def test_payload_is_the_rest_of_the_file(tmp_path):
    content = {"state_dict": STATE, "meta": {"codec": "gaussian", "joints": ["nose"]}}
    assert read_checkpoint(saved(tmp_path, content))[1]["meta"] == content["meta"]
    assert read_checkpoint(saved(tmp_path, STATE))[1] == {}


def test_numpy_scalars_and_configuration_nodes_are_let_through(tmp_path):
    config = CfgNode({"MODEL": {"NAME": "x"}})
    config.freeze()
    content = {"model": STATE, "config": config, "max_accuracy": np.float64(83.4)}
    content["half"] = np.float16(0.5)
    path = saved(tmp_path, content)
    state, payload = read_checkpoint(path)
    assert_is_state(state)
    assert payload["max_accuracy"] == 83.4
    assert payload["config"]["MODEL"]["NAME"] == "x"
    assert type(payload["config"]) is OrderedDict
    # NumPy 1 and 2 pickle scalars under different module names; both are read.
    raw = path.read_bytes()
    old = b"cnumpy.core.multiarray\n" if b"numpy._core" in raw else b"cnumpy._core.multiarray\n"
    new = b"cnumpy._core.multiarray\n" if b"numpy._core" in raw else b"cnumpy.core.multiarray\n"
    swapped = tmp_path / "old.pth"
    legacy = {"state_dict": STATE, "perf": np.float64(0.7)}
    torch.save(legacy, swapped, _use_new_zipfile_serialization=False)
    body = swapped.read_bytes()
    assert new in body
    swapped.write_bytes(body.replace(new, old))
    assert read_checkpoint(swapped)[1]["perf"] == 0.7


class Bomb:
    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.parametrize("bad", [Bomb(), nn.Linear(1, 1), types.SimpleNamespace(a=1)])
def test_other_objects_are_refused_and_not_executed(tmp_path, capsys, bad):
    path = saved(tmp_path, {"state_dict": STATE, "extra": bad})
    with pytest.raises(WeightsError, match=r"w\.pth is damaged or holds objects"):
        read_checkpoint(path)
    assert "executed" not in capsys.readouterr().out


def test_missing_damaged_and_empty_files_are_named(tmp_path):
    with pytest.raises(WeightsError, match=r"No weight file .*none\.pth"):
        read_checkpoint(tmp_path / "none.pth")
    path = saved(tmp_path, STATE)
    whole = path.read_bytes()
    for part in (b"", whole[: len(whole) // 2], b"not a checkpoint", pickle.dumps([1])):
        path.write_bytes(part)
        with pytest.raises(WeightsError, match=r"w\.pth"):
            read_checkpoint(path)
    path.write_bytes(b"error 404")  # the unpickler's own message is "pop from empty list"
    with pytest.raises(WeightsError, match=r"not a PyTorch file; copy or download it again\.$"):
        read_checkpoint(path)
    with pytest.raises(WeightsError, match="no tensors"):
        read_checkpoint(saved(tmp_path, {"epoch": 3}))
    with pytest.raises(WeightsError, match="got a list"):
        unwrap([1, 2])


def test_reading_leaves_no_lasting_permission(tmp_path):
    read_checkpoint(saved(tmp_path, STATE))
    path = saved(tmp_path, {"perf": np.float64(1)})
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)


def test_a_published_file_of_mmpose_is_read(shared):
    state, payload = read_checkpoint(shared / "golden/mmpose/published_layout.pth")
    assert sorted(state) == ["backbone.conv1.weight", "head.final_layer.bias"]
    assert isinstance(payload["meta"]["dataset_meta"], dict)


@pytest.mark.parametrize(
    "values",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.array([[1, 2], [3, 4]], np.uint8).T,
        np.array([True, False]),
        np.array([0.25], np.float16),
        np.array(["left", "right"]),
        np.zeros((0, 4), np.int64),
    ],
)
@pytest.mark.parametrize("legacy", [True, False])
def test_arrays_of_numbers_are_let_through(tmp_path, values, legacy):
    content = {"state_dict": STATE, "meta": {"dataset_meta": {"a": values, "b": values[:1]}}}
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    state, payload = read_checkpoint(tmp_path / "w.pth")
    assert_is_state(state)
    found = payload["meta"]["dataset_meta"]["a"]
    np.testing.assert_array_equal(found, values)
    assert found.dtype == values.dtype


def test_arrays_of_objects_are_not(tmp_path):
    content = {"state_dict": STATE, "meta": np.array([types.SimpleNamespace(a=1)], object)}
    with pytest.raises(WeightsError, match="is damaged or holds objects"):
        read_checkpoint(saved(tmp_path, content))
