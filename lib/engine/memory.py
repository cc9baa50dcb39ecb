"""Peak memory of this process, of its device, and of loader processes."""

from __future__ import annotations

import sys

import torch

GIB = 2**30


def peak_of_process() -> float | None:
    """Return the most memory this process has held at once, in GiB; None where nobody tells.

    Pages that it shares with others count, as those of forked loader processes with the training.
    """
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GIB


def peak_of_device(device: torch.device) -> float | None:
    """Return the most memory PyTorch has taken from a GPU, in GiB; None for other devices."""
    if device.type != "cuda":
        return None
    return torch.cuda.max_memory_reserved(device) / GIB


def peak_memory(device: torch.device, workers: dict[int, float]) -> dict[str, float | list[float]]:
    """Return peaks in GiB by their names in records: what is not known is left out.

    Args:
        device: where the network is.
        workers: peaks of loader processes by number, as `peak_of_process` says in each.
    """
    found = {"host_gib": peak_of_process(), "device_gib": peak_of_device(device)}
    known: dict[str, float | list[float]] = {
        name: round(value, 4) for name, value in found.items() if value is not None
    }
    if workers:
        known["workers_gib"] = [round(workers[number], 4) for number in sorted(workers)]
    return known
