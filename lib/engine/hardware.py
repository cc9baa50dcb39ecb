"""What a program says about where it runs: device, memory, precision, threads."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import torch

from lib.engine.device import Precision, has_mps

_GIB = 2**30
_CPU_INFO = Path("/proc/cpuinfo")


def describe_device(
    device: torch.device, precision: Precision, gpus: Sequence[int] = (), runtime: str = ""
) -> str:
    """Return one line: name and memory of the device, precision, threads.

    Args:
        device: where tensors are.
        precision: number format of the forward pass.
        gpus: all CUDA devices of this process; the one of ``device`` if empty.
        runtime: what computes the network, if that is not torch as usual.
    """
    if device.type == "cuda":
        place = ", ".join(_gpu(number) for number in gpus or (device.index or 0,))
    elif device.type == "mps":
        place = f"Apple GPU (mps), {_memory()} shared with the CPU"
    else:
        place = f"CPU ({_cpu_name()}, {_memory()})"
    if runtime:
        place = f"{place}; the network in {runtime}, float32"
    else:
        place = f"{place}, {describe_precision(precision)}"
    return f"{place}, {torch.get_num_threads()} thread(s)"


def describe_precision(precision: Precision) -> str:
    """Return the number format in words: ``float32``, or autocast's."""
    if precision.dtype is None:
        return "float32"
    return f"{str(precision.dtype).removeprefix('torch.')} (autocast)"


def devices_here() -> Iterator[str]:
    """Yield every device of this machine, the CPU first."""
    yield f"CPU ({_cpu_name()}, {_memory()}), torch uses {torch.get_num_threads()} thread(s)"
    for number in range(torch.cuda.device_count()):
        half = "bfloat16 and float16" if torch.cuda.is_bf16_supported() else "float16"
        yield f"{_gpu(number)}, {half}"
    if has_mps():
        yield f"Apple GPU (mps), {_memory()} shared with the CPU, bfloat16"


def _gpu(number: int) -> str:
    memory = torch.cuda.get_device_properties(number).total_memory
    return f"GPU {number} ({torch.cuda.get_device_name(number)}, {memory / _GIB:.0f} GiB)"


@cache
def _cpu_name() -> str:
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(filter(None, (*names, platform.processor(), platform.machine())), "unknown")


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows does not say
        return "memory unknown"
    return f"{total / _GIB:.0f} GiB"
