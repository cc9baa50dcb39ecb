"""Two forms of one stage, timed in turns, so that a busy machine is busy for both."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import torch

Run = Callable[[], Any]


@dataclass
class Stage:
    """One stage, ready to run.

    Attributes:
        ours: the fast form.
        textbook: the plain form on the same inputs.
        check: takes both results; raises AssertionError if they are not the same.
        units: how many of ``unit`` one run does; times are per unit.
        unit: what is counted.
        extras: more forms to time beside the two, by name.
        ratios: more ratios to report: name -> (form above, form below).
    """

    ours: Run
    textbook: Run
    check: Callable[[Any, Any], None]
    units: int
    unit: str
    extras: dict[str, Run] = field(default_factory=dict)
    ratios: dict[str, tuple[str, str]] = field(default_factory=dict)


def measure(stage: Stage, rounds: int, device: torch.device) -> dict[str, Any]:
    """Check the stage once, then time its forms in turns.

    Returns:
        ``ours`` and ``textbook``: median seconds per unit; ``ratio``: median over the rounds of
        textbook / ours; ``spread``: quartiles of that ratio; ``unit``, ``rounds``; the stage's
        own extras and ratios by name.

    Raises:
        AssertionError: the forms disagree.
    """
    stage.check(stage.ours(), stage.textbook())
    forms = {"ours": stage.ours, "textbook": stage.textbook, **stage.extras}
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for number in range(rounds):
        for name in list(forms) if number % 2 else list(forms)[::-1]:
            seconds[name].append(_seconds(forms[name], device) / stage.units)
    per_round = {name: np.array(values) for name, values in seconds.items()}
    ratios = per_round["textbook"] / per_round["ours"]
    row: dict[str, Any] = {name: float(np.median(values)) for name, values in per_round.items()}
    row |= {"ratio": float(np.median(ratios)), "spread": np.percentile(ratios, [25, 75]).tolist()}
    for name, (above, below) in stage.ratios.items():
        row[name] = float(np.median(per_round[above] / per_round[below]))
    return row | {"unit": stage.unit, "rounds": rounds}


def _seconds(run: Run, device: torch.device) -> float:
    """Time one run: processor time on the CPU (others may use it too), else until it is done."""
    if device.type == "cpu":
        start = time.process_time()
        run()
        return time.process_time() - start
    torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    torch.cuda.synchronize(device)
    return time.perf_counter() - start


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Return what a time depends on: processor, cores, load, device, threads, versions."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "device": name,
        "threads": torch.get_num_threads(),
        "clock": "processor time" if device.type == "cpu" else "wall clock",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - not a user's file
            return next(
                line.split(":")[1].strip() for line in lines if line.startswith("model name")
            )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
