"""What a tracker is. One more is one more class in ``TRACKERS``, here or in a user's own part."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from lib.utils.registry import Registry


@dataclass(frozen=True)
class Place:
    """What a tracker may want to know of a run.

    Attributes:
        folder: run folder.
        log_folder: for TensorBoard files.
        store: for files that several runs share.
        project: that the run belongs to.
        name: of the run.
        config: resolved configuration, by the paths of its keys.
        offline: whether nothing may leave this machine.
        address: of a server; empty for files.
        step: optimiser steps done before, when resuming; 0 for a fresh run.
        identity: what `Tracker.identity` of the run's earlier process was, empty for a fresh run.
    """

    folder: Path
    log_folder: Path
    store: Path
    project: str
    name: str
    config: Mapping[str, Any]
    offline: bool = True
    address: str = ""
    step: int = 0
    identity: str = ""


class Tracker(ABC):
    """Takes numbers and pictures of a run.

    Attributes:
        package: that must be installed.
        live: whether it takes records at once and forgets those that a resumed run repeats. The
            others get them when a checkpoint is behind them, so that they never come twice.
        identity: by which the next process of the run finds its record again.
    """

    package: ClassVar[str] = ""
    live: ClassVar[bool] = False
    identity: str = ""

    @abstractmethod
    def __init__(self, place: Place) -> None:
        """Open the record of a run, or go on in it."""

    @abstractmethod
    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Take numbers by name (``train/loss``)."""

    @abstractmethod
    def picture(self, name: str, path: Path, step: int) -> None:
        """Take a JPEG or PNG file."""

    def kept_until(self) -> int | None:
        """Return the last step of earlier processes that the record holds.

        None if nothing that was handed over is ever lost: a kill may take what a package keeps in
        memory.
        """
        return None

    @abstractmethod
    def close(self) -> None:
        """End the record of this process."""


TRACKERS: Registry[type[Tracker]] = Registry("logger", Tracker, ": derive it from Tracker")


def numbers_of(line: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield name and value of every finite number in a line of ``metrics.jsonl``.

    Names begin with the line's kind; those of nested values are joined by slashes. Letters that
    some tracker refuses become ``_``.
    """
    prefix = prefix or f"{line['kind']}/"
    for name, value in line.items():
        path = prefix + re.sub(r"[^\w./]+", "_", str(name)).strip("_")
        if isinstance(value, dict):
            yield from numbers_of(value, f"{path}/")
        elif isinstance(value, list):
            yield from numbers_of({str(n): item for n, item in enumerate(value)}, f"{path}/")
        elif isinstance(value, int | float) and math.isfinite(value) and name != "step":
            yield path, float(value)
