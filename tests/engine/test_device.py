import collections

import pytest
import torch
from torch import nn
from toys.toy_task import ToyNet, toy_config

from lib.engine import device
from lib.engine.device import (
    Precision,
    build_precision,
    check_global_batch,
    choose_gpus,
    place,
    setup_device,
    to_device,
)
from lib.engine.distributed import World
from lib.utils.errors import ConfigError

CPU = torch.device("cpu")
Pair = collections.namedtuple("Pair", "left right")


def test_tensors_move_wherever_they_are_nested():
    value = {"a": torch.ones(2), "b": [torch.ones(3), "x", (torch.ones(1), None)], "n": 4}
    moved = to_device(value, torch.device("meta"))
    assert moved["a"].is_meta
    assert moved["b"][0].is_meta
    assert moved["b"][2][0].is_meta
    assert (moved["b"][1], moved["b"][2][1], moved["n"]) == ("x", None, 4)
    assert to_device(Pair(torch.ones(2), 3), torch.device("meta")).left.is_meta


def test_precision_is_float32_unless_asked():
    precision = build_precision(toy_config(), CPU)
    assert precision.dtype is None
    with precision.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@pytest.mark.parametrize("name", ["auto", "bfloat16", "float16"])
def test_cpu_computes_in_bfloat16(name, caplog):
    precision = build_precision(toy_config(FP16__ENABLED=True, FP16__DTYPE=name), CPU)
    assert precision == Precision("cpu", torch.bfloat16)
    assert not precision.needs_scaler
    with precision.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    assert bool(caplog.text) == (name == "float16")


def test_float16_needs_a_scaler():
    precision = build_precision(
        toy_config(FP16__ENABLED=True, FP16__DTYPE="float16"), torch.device("cuda")
    )
    assert precision.needs_scaler


def test_gpus_that_are_not_there_are_left_out(monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_gpus([0, 1, 2, 3], World()) == [0, 1]
    assert "this machine has 2" in caplog.text
    caplog.clear()
    assert choose_gpus([1], World()) == [1]
    assert not caplog.text


def test_more_processes_than_gpus_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(device, "current_world", lambda: World(local_rank=2, size=3, local_size=3))
    with pytest.raises(ConfigError, match="--nproc_per_node 2"):
        setup_device(toy_config())


def test_no_gpu_is_worth_a_word_only_if_several_were_wanted(monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert choose_gpus([0], World()) == []
    assert not caplog.text
    assert choose_gpus([0, 1], World()) == []
    assert "on the CPU" in caplog.text


def test_convolutions_become_channels_last_and_ambiguous_ones_keep_their_strides():
    network = nn.Sequential(
        nn.Conv2d(4, 6, 3), nn.Conv2d(6, 8, 1), nn.Conv2d(8, 8, 3, groups=8), ToyNet()
    )
    strides = [module.weight.stride() for module in network[:3]]
    values = [p.clone() for p in network.parameters()]
    place(network, CPU)
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert network[0].weight.stride() != strides[0]
    assert [network[i].weight.stride() for i in (1, 2)] == strides[1:]
    assert all(torch.equal(p, q) for p, q in zip(network.parameters(), values, strict=True))


def test_global_batch():
    check_global_batch(0, 12)
    check_global_batch(12, 12)
    with pytest.raises(ConfigError, match=r"GLOBAL_BATCH is 16.*gives 12"):
        check_global_batch(16, 12)
