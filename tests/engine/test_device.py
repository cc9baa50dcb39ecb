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
    named_device,
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
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("SLURM_PROCID", "2")
    with pytest.raises(ConfigError, match="--nproc_per_node 2"):
        setup_device(toy_config())


@pytest.mark.parametrize("launcher", ["srun", "torchrun", "srun torchrun"])
def test_tasks_of_slurm_may_see_one_gpu_each(monkeypatch, launcher):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(device, "current_world", lambda: World(local_rank=2, size=3, local_size=3))
    monkeypatch.setattr(device, "choose_gpus", lambda gpus, world: [])
    for name in ("SLURM_PROCID", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RANK", "2")
    if "srun" in launcher:
        monkeypatch.setenv("SLURM_PROCID", "2")
    if "torchrun" in launcher:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
        with pytest.raises(ConfigError, match="cannot share 1 GPUs"):
            setup_device(toy_config())
    else:
        assert setup_device(toy_config())[0].type == "cpu"


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(device, "has_mps", lambda: False)


@pytest.fixture
def apple(monkeypatch):
    """A machine with one GPU of Apple's."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(device, "has_mps", lambda: True)


@pytest.mark.parametrize("gpus", [[0], [0, 1, 2, 3]])
def test_one_missing_gpu_is_said_as_clearly_as_four(no_gpu, caplog, gpus):
    assert choose_gpus(gpus, World()) == []
    assert f"GPUS {tuple(gpus)}: there is no GPU" in caplog.text
    assert "running on the CPU" in caplog.text
    caplog.clear()
    assert choose_gpus([], World()) == []  # asked for
    assert not caplog.text


def test_a_number_beyond_those_of_the_machine(monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_gpus([1], World()) == []
    assert "GPUS (1,): this machine has 1; using the CPU." in caplog.text


@pytest.mark.parametrize("version", [None, "12.8"])
def test_a_gpu_that_is_required(no_gpu, monkeypatch, version):
    monkeypatch.setattr(torch.version, "cuda", version)
    reason = "built without CUDA" if version is None else "no driver"
    with pytest.raises(ConfigError, match=f"REQUIRE_GPU is true, but .*{reason}"):
        setup_device(toy_config(ROOT__REQUIRE_GPU=True))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert setup_device(toy_config(ROOT__REQUIRE_GPU=True))[0] == torch.device("cuda", 0)
    with pytest.raises(ConfigError, match=r"GPUS \(7,\) names none of the 2"):
        setup_device(toy_config(ROOT__REQUIRE_GPU=True, ROOT__GPUS=(7,)))


def test_apples_gpu(apple, caplog):
    for gpus in ((0,), (3,)):
        assert setup_device(toy_config(ROOT__GPUS=gpus, ROOT__REQUIRE_GPU=True)) == (
            torch.device("mps"),
            [],
        )
    assert not caplog.text
    assert setup_device(toy_config(ROOT__GPUS=(0, 1)))[0].type == "mps"
    assert "GPUS (0, 1): this machine has one, Apple's" in caplog.text
    assert setup_device(toy_config(ROOT__GPUS=()))[0].type == "cpu"


def test_processes_do_not_share_apples_gpu(apple, monkeypatch, caplog):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    assert device._device_of([], [0]).type == "cpu"
    assert "cannot be shared by processes" in caplog.text


def test_apples_gpu_computes_in_bfloat16_without_a_scaler(monkeypatch):
    # Older versions of PyTorch ask for that of the system, which only a Mac can answer.
    monkeypatch.setattr(torch.backends.mps, "is_macos_or_newer", lambda *_: True, raising=False)
    mps = torch.device("mps")
    for name in ("auto", "float16"):
        precision = build_precision(toy_config(FP16__ENABLED=True, FP16__DTYPE=name), mps)
        assert precision == Precision("mps", torch.bfloat16)
        assert not precision.needs_scaler
        assert precision.autocast().device == "mps"
    assert build_precision(toy_config(), mps) == Precision("mps", None)


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


def test_one_key_makes_all_kernels_deterministic():
    try:
        setup_device(toy_config(ROOT__DETERMINISTIC=True))
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()  # those without are named
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.benchmark
    finally:
        setup_device(toy_config())
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(("name", "said"), [("gpu", "must be like"), ("cuda:9", "device cuda:9: ")])
def test_devices_that_are_not_there_are_a_sentence(name, said):
    with pytest.raises(ConfigError, match=said):
        named_device(name)


def test_devices_go_by_their_names():
    assert named_device("cpu") == named_device(CPU) == CPU


@pytest.mark.parametrize(("name", "calls"), [("cpu", 1), ("meta", 0)])
def test_a_network_on_the_cpu_keeps_the_memory_of_its_activations(monkeypatch, name, calls):
    kept = []
    monkeypatch.setattr(device, "keep_all_freed_memory", lambda: kept.append(name))
    place(nn.Conv2d(2, 3, 1), torch.device(name))
    assert len(kept) == calls
