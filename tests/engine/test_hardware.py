import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lib.engine import hardware
from lib.engine.device import Precision
from lib.engine.hardware import describe_device, describe_precision, devices_here

CPU = torch.device("cpu")


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda n: f"Model {n}")
    monkeypatch.setattr(
        torch.cuda,
        "get_device_properties",
        lambda n: SimpleNamespace(total_memory=(n + 10) * 2**30),
    )


def test_the_cpu_has_a_name_memory_precision_and_threads(tmp_path, monkeypatch):
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nmodel name\t: Fast 9000\n", encoding="utf-8")
    monkeypatch.setattr(hardware, "_CPU_INFO", info)
    monkeypatch.setattr(hardware.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**20}.get)
    hardware._cpu_name.cache_clear()
    threads = f"{torch.get_num_threads()} thread(s)"
    assert describe_device(CPU, Precision()) == f"CPU (Fast 9000, 4 GiB), float32, {threads}"
    text = describe_device(CPU, Precision("cpu", torch.bfloat16))
    assert text == f"CPU (Fast 9000, 4 GiB), bfloat16 (autocast), {threads}"
    text = describe_device(CPU, Precision(), runtime="CUDAExecutionProvider of onnxruntime")
    assert "the network in CUDAExecutionProvider of onnxruntime, float32" in text
    hardware._cpu_name.cache_clear()


def test_a_system_that_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "_CPU_INFO", tmp_path / "none")
    monkeypatch.setattr(hardware.platform, "processor", lambda: "")
    monkeypatch.setattr(hardware.platform, "machine", lambda: "AMD64")
    monkeypatch.delattr(hardware.os, "sysconf")
    hardware._cpu_name.cache_clear()
    assert describe_device(CPU, Precision()).startswith("CPU (AMD64, memory unknown), float32")
    hardware._cpu_name.cache_clear()


def test_gpus(two_gpus):
    device, precision = torch.device("cuda", 1), Precision("cuda", torch.float16)
    assert describe_device(device, precision).startswith("GPU 1 (Model 1, 11 GiB), float16 (auto")
    text = describe_device(device, precision, [0, 1])
    assert text.startswith("GPU 0 (Model 0, 10 GiB), GPU 1 (Model 1, 11 GiB), float16")
    found = list(devices_here())
    assert found[0].startswith("CPU (")
    assert found[1:] == ["GPU 0 (Model 0, 10 GiB), float16", "GPU 1 (Model 1, 11 GiB), float16"]


def test_apples_gpu(monkeypatch):
    monkeypatch.setattr(hardware, "has_mps", lambda: True)
    text = describe_device(torch.device("mps"), Precision("mps", torch.bfloat16))
    assert text.startswith("Apple GPU (mps), ")
    assert list(devices_here())[-1].startswith("Apple GPU (mps), ")
    assert describe_precision(Precision("mps")) == "float32"


@pytest.mark.parametrize(
    ("platform", "given", "value"),
    [("darwin", None, "1"), ("darwin", "0", "0"), ("linux", None, "None")],
)
def test_operators_that_apples_gpu_lacks_run_on_the_cpu(platform, given, value):
    """Torch reads the variable when it is imported, so it is set before."""
    code = (
        f"import sys, os; sys.platform = {platform!r}; import lib; "
        "print(os.environ.get('PYTORCH_ENABLE_MPS_FALLBACK'), 'torch' in sys.modules)"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    environment |= {} if given is None else {"PYTORCH_ENABLE_MPS_FALLBACK": given}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [value, "False"]
