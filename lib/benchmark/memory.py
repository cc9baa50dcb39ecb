"""How much memory one piece of work needs at its peak."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import torch

from lib.benchmark.timing import Run


def peak_memory(run: Run, device: torch.device) -> float | None:
    """Return the MB by which one run raises the device's or the process's peak."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    if not _reset_peak():
        return None
    before = _status("VmRSS")
    run()
    return max(0.0, (_status("VmHWM") - before) / 1024)


def _reset_peak() -> bool:
    """Let Linux count the largest resident set anew, after taking back memory that is free.

    Memory of earlier runs that the C library keeps for later would hide what this one needs.
    """
    if sys.platform != "linux":
        return False
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except (OSError, AttributeError):  # a system without this file, another C library
        return False
    return True


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))
