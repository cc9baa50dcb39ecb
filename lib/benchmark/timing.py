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
    per_round = in_turns(forms, rounds, device)
    row: dict[str, Any] = {
        name: quartiles(values)[0] / stage.units for name, values in per_round.items()
    }
    row["ratio"], row["spread"] = quartiles(per_round["textbook"] / per_round["ours"])
    for name, (above, below) in stage.ratios.items():
        row[name] = quartiles(per_round[above] / per_round[below])[0]
    return row | {"unit": stage.unit, "rounds": rounds}


def in_turns(forms: dict[str, Run], rounds: int, device: torch.device) -> dict[str, np.ndarray]:
    """Return (rounds,) seconds of every form; the order is turned round every time."""
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for number in range(rounds):
        for name in list(forms) if number % 2 else list(forms)[::-1]:
            seconds[name].append(_seconds(forms[name], device))
    return {name: np.array(values) for name, values in seconds.items()}


def quartiles(values: np.ndarray) -> tuple[float, list[float]]:
    """Return the median, and the lower and upper quartile."""
    low, middle, high = np.percentile(values, [25, 50, 75]).tolist()
    return middle, [low, high]


def clock_name(device: torch.device) -> str:
    """Return which time counts: that of the processor where it shares its one thread."""
    on_one = device.type == "cpu" and torch.get_num_threads() == 1
    return "processor time" if on_one else "wall clock"


def _seconds(run: Run, device: torch.device) -> float:
    """Time one run until it is done, by ``clock_name``."""
    clock = time.process_time if clock_name(device) == "processor time" else time.perf_counter
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = clock()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - start


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Return what a time depends on: processor, cores, load, device, threads, versions."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "device": name,
        "threads": torch.get_num_threads(),
        "clock": clock_name(device),
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
