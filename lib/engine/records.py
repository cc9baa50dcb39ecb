"""What a run leaves to read: ``metrics.jsonl``, TensorBoard files, log lines, a progress bar."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import math
import os
import re
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lib.engine.clock import Pace
from lib.tasks.base import Metrics
from lib.utils.numbers import number

logger = logging.getLogger(__name__)

METRICS = "metrics.jsonl"


class RunRecords:
    """Writes the records of a run, on rank 0; on other ranks every call does nothing.

    A disk that takes no more costs records, with a warning, but not the run.

    Args:
        folder: run folder; ``metrics.jsonl`` gets one JSON object per line.
        log_folder: TensorBoard files; None writes none.
        total: optimiser steps in the run.
        step: steps done before, when resuming.
        active: False on ranks other than 0.
    """

    def __init__(
        self, folder: Path, log_folder: Path | None, *, total: int, step: int, active: bool
    ) -> None:
        self.active = active
        self.total = total
        self._path = folder / METRICS
        self._board: _Board | None = None
        self._bar = tqdm(
            total=total, initial=step, unit="step", disable=not (active and sys.stderr.isatty())
        )
        if active:
            folder.mkdir(parents=True, exist_ok=True)
            if log_folder is not None:
                self._board = _Board(log_folder, step)

    def advance(self) -> None:
        """Count one step on the bar."""
        self._bar.update()

    def train(
        self,
        step: int,
        epoch: int,
        values: dict[str, float],
        *,
        lr: float,
        pace: Pace,
        memory: Mapping[str, float | list[float]],
        advice: str = "",
    ) -> None:
        """Record the mean losses of the steps since the last record.

        Args:
            step: optimiser steps done.
            epoch: epoch of the last of them.
            values: ``loss`` and the named ones.
            lr: learning rate of the first group.
            pace: samples per second, and where the time went.
            memory: peaks in GiB, see `lib.engine.memory.peak_memory`.
            advice: on what to turn, kept for the report.
        """
        if not self.active:
            return
        line = {"kind": "train", "epoch": epoch, "step": step, **values}
        shares = {name: round(share, 4) for name, share in pace.shares.items()}
        line |= {"lr": lr, "samples_per_s": round(pace.rate, 3), **shares, **memory}
        line |= {"advice": advice} if advice else {}
        peaks = {k: max(v) if isinstance(v, list) else v for k, v in memory.items()}
        board = {**values, "lr": lr, "samples_per_s": pace.rate, **pace.shares, **peaks}
        self._keep(line, step, board)
        self._bar.set_postfix(epoch=epoch, loss=f"{values['loss']:.4g}", refresh=False)
        if self._bar.disable:
            shown = " ".join(f"{name.lstrip('_')} {value:.4g}" for name, value in values.items())
            left = timedelta(seconds=round(pace.seconds * (self.total - step)))
            logger.info(
                "epoch %d step %d/%d %s lr %.3g, %.1f samples/s, %s, %s left",
                epoch,
                step,
                self.total,
                shown,
                lr,
                pace.rate,
                _spent(shares, peaks),
                left,
            )

    def val(self, step: int, epoch: int, metrics: Metrics, seconds: dict[str, float]) -> None:
        """Record an evaluation and its time per stage."""
        if not self.active:
            return
        line = {"kind": "val", "epoch": epoch, "step": step, **metrics, "seconds": seconds}
        self._keep(line, step, metrics)
        shown = ", ".join(f"{name} {number(value, 4)}" for name, value in metrics.items())
        logger.info(
            "epoch %d evaluated in %.1f s: %s", epoch, sum(seconds.values()), shown or "no metrics"
        )

    def close(self) -> None:
        """Close the bar and the files."""
        self._bar.close()
        if self._board is not None:
            self._board.close()

    def _keep(self, line: dict[str, Any], step: int, values: dict[str, float]) -> None:
        try:
            append_line(self._path, json.dumps({k: _plain(v) for k, v in line.items()}))
            if self._board is not None:
                self._board.add(line["kind"], values, step)
        except OSError as error:
            logger.warning(
                "The records of step %d are not complete (%s); training goes on.",
                step,
                error.strerror,
            )


class _Board:
    """TensorBoard scalars, written when they come.

    ``tensorboardX.SummaryWriter`` writes in a thread, which a full disk ends; its queue would then
    fill up and hold the training for ever.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog  # pyright: ignore[reportAttributeAccessIssue]

        folder.mkdir(parents=True, exist_ok=True)
        self._file = EventsWriter(str(folder / "events"))
        if step:  # TensorBoard forgets what an earlier process wrote about the steps to come
            self._put(step, session_log=SessionLog(status=SessionLog.START))
        self._file.flush()

    def add(self, prefix: str, values: dict[str, float], step: int) -> None:
        """Write ``values`` by name.

        Raises:
            OSError: the disk takes no more.
        """
        from tensorboardX.summary import scalar

        for name, value in values.items():
            if not math.isfinite(value):
                continue
            tag = re.sub(r"[^\w.]+", "_", name).strip("_")  # TensorBoard takes no spaces
            self._put(step, summary=scalar(f"{prefix}/{tag}", value))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):  # said before
            self._file.close()

    def _put(self, step: int, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]

        self._file.write_event(Event(wall_time=time.time(), step=step, **content))


def append_line(path: Path, text: str) -> None:
    """Append ``text`` and a line break to a file: all of it, or nothing.

    Raises:
        OSError: the disk takes no more; the file is as it was.
    """
    data = text.encode() + b"\n"
    with path.open("ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        if file.write(data) < len(data):
            file.truncate(before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def trim_metrics(folder: Path, step: int, *, evaluated: bool) -> None:
    """Remove the lines of ``metrics.jsonl`` that a run resumed after ``step`` will write again.

    Args:
        folder: run folder.
        step: optimiser steps in the checkpoint.
        evaluated: whether the evaluation that follows ``step`` is behind it.
    """
    path = folder / METRICS
    if not path.exists():
        return
    kept = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:  # cut off by a kill
            continue
        limit = step if line["kind"] == "train" or evaluated else step - 1
        if line["step"] <= limit:
            kept.append(text)
    part = path.with_name(path.name + ".part")
    part.write_text("".join(f"{text}\n" for text in kept), encoding="utf-8")
    part.replace(path)


def _plain(value: Any) -> Any:
    """Return a JSON value; NaN, which JSON lacks, becomes null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, (str, int)) or value is None:
        return value
    return float(value) if math.isfinite(value) else None


def _spent(shares: dict[str, float], peaks: dict[str, float]) -> str:
    """Return time and memory in words: what is less than a hundredth is left out."""
    parts = [f"{100 * share:.0f} % {name}" for name, share in shares.items() if share >= 0.01]
    sizes = [f"{name.removesuffix('_gib')} {size:.2g}" for name, size in peaks.items()]
    return ", ".join([*parts, f"peak GiB {' '.join(sizes)}"] if sizes else parts)
