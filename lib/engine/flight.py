"""The flight recorder: what went into every step and came out, for `lib.report.divergence`.

``flight.bin`` holds a `STEP` per optimiser step, each followed by the digests of its samples (see
`lib.engine.digest`); ``flight.jsonl`` a line per process that wrote there: what it ran on.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import platform
import re
import zlib
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from lib.engine.digest import SAMPLE, tensor_digests, weights_digest
from lib.engine.distributed import current_world
from lib.engine.state import TrainState
from lib.engine.stream import Fetched
from lib.utils.jpeg import jpeg_package

logger = logging.getLogger(__name__)

STEPS, SESSIONS = "flight.bin", "flight.jsonl"
STEP = np.dtype(
    [
        ("step", "<u4"),
        ("epoch", "<u4"),
        ("count", "<u4"),
        ("loss", "<f4"),
        ("norm", "<f4"),  # NaN: the norm of the gradient was not taken
        ("rates", "<u4"),
        ("rate", "<f8"),  # of the different rates of groups, of the first
        ("weights", "<u8"),  # after the step; 0: not looked at
    ]
)


@dataclass(frozen=True)
class Flight:
    """What a run recorded.

    Attributes:
        steps: (S,) `STEP`, by step; step 0 is the start, before any.
        samples: of each, its `lib.engine.digest.SAMPLE` rows.
        sessions: ``(first step, what it says)`` of the processes that took part.
    """

    steps: np.ndarray
    samples: list[np.ndarray]
    sessions: list[tuple[int, dict[str, Any]]]

    def facts(self, step: int, kind: str = "facts") -> dict[str, Any]:
        """Return what is known of the process that did ``step``.

        Args:
            step: optimiser step.
            kind: ``facts``: what it ran on; ``files``: digests of what it read; ``start``: of the
                tensors of the network at the start of the run.
        """
        found: dict[str, Any] = {}
        for first, told in self.sessions:
            if first <= max(step, 1) and isinstance(told.get(kind), dict):
                found = told[kind]
        return found


class FlightRecorder:
    """Writes the flight of this rank; nothing waits for the device before `flush`.

    A disk that takes no more ends the recording, with a warning, but not the run.

    Args:
        folder: run folder.
        state: of the run, at its start or restored.
        every: steps between digests of the weights.
    """

    def __init__(self, folder: Path, state: TrainState, every: int) -> None:
        self._path = folder / STEPS
        self._state = state
        self._every = every
        self._rows: list[tuple[np.ndarray, np.ndarray, Tensor, Tensor | None]] = []
        self._broken = False
        folder.mkdir(parents=True, exist_ok=True)
        trim_flight(folder, state.step)
        session = {"step": state.step + 1, "facts": facts(state.device), "files": files(state)}
        if not state.step:
            session["start"] = tensor_digests(state.network)
        with (folder / SESSIONS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(session) + "\n")
        if not state.step:
            start = np.zeros((), STEP)
            start["weights"] = weights_digest(state.network)
            self._append(start.tobytes())

    def step(self, fetched: list[Fetched], losses: dict[str, Tensor], epoch: int) -> None:
        """Note the step that was just done.

        Args:
            fetched: its batches, with digests.
            losses: as `lib.engine.step.TrainStep` returns them.
            epoch: of its samples.
        """
        if self._broken:
            return
        state, row = self._state, np.zeros((), STEP)
        digests = [item.digests for item in fetched if item.digests is not None]
        samples = np.concatenate(digests) if digests else np.zeros(0, SAMPLE)
        rates = np.array([group["lr"] for group in state.optimizer.param_groups], np.float64)
        row["step"], row["epoch"], row["count"] = state.step, epoch, len(samples)
        row["rates"], row["rate"] = zlib.crc32(np.unique(rates).tobytes()), rates[0]
        if state.step % self._every == 0:
            row["weights"] = weights_digest(state.network)
        self._rows.append((row, samples, losses["loss"], losses.get("_grad_norm")))

    def flush(self) -> None:
        """Write what was noted."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        missing = torch.full((), float("nan"), device=rows[0][2].device)
        values = [
            torch.stack([loss, missing if norm is None else norm]).float()
            for *_, loss, norm in rows
        ]
        host = torch.stack(values).cpu().numpy()
        data = b""
        for (row, samples, *_), (loss, norm) in zip(rows, host, strict=True):
            row["loss"], row["norm"] = loss, norm
            data += row.tobytes() + samples.tobytes()
        self._append(data)

    def _append(self, data: bytes) -> None:
        try:
            with self._path.open("ab", buffering=0) as file:
                if file.write(data) < len(data):
                    raise OSError(None, "the disk is full")
        except OSError as error:
            self._broken = True
            logger.warning("The flight recorder stops (%s); training goes on.", error.strerror)


def facts(device: torch.device) -> dict[str, Any]:
    """Return what results may depend on beside configuration and data."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "device": f"{device.type} {name}",
        "processes": current_world().size,
        "threads": torch.get_num_threads(),
        "TF32": torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cuDNN benchmark": torch.backends.cudnn.benchmark,
        "torch": torch.__version__,
        "CUDA": torch.version.cuda,
        "cuDNN": torch.backends.cudnn.version() if device.type == "cuda" else None,
        "kernels of the CPU": torch.backends.cpu.get_cpu_capability(),
        "oneDNN": torch.backends.mkldnn.enabled,
        "precision of float32 products": torch.get_float32_matmul_precision(),
        "NumPy": np.__version__,
        "OpenCV": cv2.__version__,
        "JPEG decoder": _jpeg_decoder(),
        "Python": platform.python_version(),
    }


def files(state: TrainState) -> dict[str, Any]:
    """Return digests of what a run reads beside its pictures, and of the code itself."""
    found = {f"annotations {one['file']}": one["sha256"][:12] for one in state.meta.get("data", [])}
    skeleton = json.dumps(state.meta.get("skeleton"), sort_keys=True)
    return {**found, "skeleton": _short(skeleton.encode()), "code of lib": _code_digest()}


@functools.cache
def _code_digest() -> str:
    root = Path(__file__).parents[1]
    return _short(b"".join(file.read_bytes() for file in sorted(root.rglob("*.py"))))


def _short(data: bytes) -> str:
    return blake2b(data, digest_size=6).hexdigest()


@functools.cache
def _jpeg_decoder() -> str:
    """Return what OpenCV was built with, and the package that decodes in its place."""
    found = re.search(r"^\s*JPEG:\s*(.*?)\s*$", cv2.getBuildInformation(), re.MULTILINE)
    return f"{found[1] if found else ''} {jpeg_package()}".strip()


def read_flight(folder: Path) -> Flight:
    """Read the flight of a run; a last step that a kill cut off is left out.

    Where steps do not follow each other the file is damaged: a warning says where.

    Raises:
        OSError: the run has none, or it cannot be read.
    """
    data = (folder / STEPS).read_bytes()
    rows, samples, ends = _parse(data)
    end = max(ends, default=0)
    if len(data) - end >= STEP.itemsize and _is_damage(data[end:], rows):
        behind = f"step {rows[-1]['step']}" if rows else "its start"
        logger.warning(
            "%s is damaged behind %s; only what is before counts.", folder / STEPS, behind
        )
    return Flight(np.array(rows, STEP), samples, _sessions(folder / SESSIONS))


def _sessions(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Return the sound lines of a file; a kill may have cut one off."""
    found = []
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    for part in text.splitlines():
        try:
            line = json.loads(part)
        except json.JSONDecodeError:
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            found.append((line["step"], line))
    return found


def _is_damage(rest: bytes, rows: list[Any]) -> bool:
    """Return whether what follows the last sound step is no step that was cut off."""
    step = int(np.frombuffer(rest, STEP, 1)[0]["step"])
    return step != (int(rows[-1]["step"]) + 1 if rows else 0)


def trim_flight(folder: Path, step: int) -> None:
    """Remove what a run that goes on after ``step`` will write again."""
    path = folder / STEPS
    if path.exists():
        data = path.read_bytes()
        rows, _, ends = _parse(data)
        kept = [end for row, end in zip(rows, ends, strict=True) if row["step"] <= step]
        os.truncate(path, max(kept, default=0) if step else 0)
    sessions = folder / SESSIONS
    if sessions.exists():
        lines = [*sessions.read_text(encoding="utf-8").splitlines(keepends=True)] if step else []
        sessions.write_text("".join(x for x in lines if x.endswith("\n")), encoding="utf-8")


def _parse(data: bytes) -> tuple[list[Any], list[np.ndarray], list[int]]:
    """Return the steps of a file, the digests of their samples, and where each one ends."""
    rows, samples, ends, place = [], [], [], 0
    while place + STEP.itemsize <= len(data):
        row = np.frombuffer(data, STEP, 1, place)[0]
        if rows and row["step"] != rows[-1]["step"] + 1:
            break
        end = place + STEP.itemsize + int(row["count"]) * SAMPLE.itemsize
        if end > len(data):
            break
        samples.append(np.frombuffer(data, SAMPLE, int(row["count"]), place + STEP.itemsize))
        rows.append(row)
        ends.append(end)
        place = end
    return rows, samples, ends
