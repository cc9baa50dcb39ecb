"""What a run leaves to read: ``metrics.jsonl``, what trackers keep, log lines, a progress bar."""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lib.engine.clock import Pace
from lib.engine.trackers.base import Tracker
from lib.engine.trackers.follower import Follower, hand_over
from lib.engine.worst import Worst
from lib.tasks.base import Metrics
from lib.utils.numbers import number

logger = logging.getLogger(__name__)

METRICS = "metrics.jsonl"
_OF_EVALUATIONS = ("val", "pictures")  # kinds of lines that stand behind the checkpoint of a step
_NAMED = 3  # samples in a log line


class RunRecords:
    """Writes the records of a run, on rank 0; on other ranks every call does nothing.

    A disk that takes no more costs records, with a warning, but not the run.

    Args:
        folder: run folder; ``metrics.jsonl`` gets one JSON object per line.
        live: trackers that take each line at once.
        followers: those of the others.
        total: optimiser steps in the run.
        step: steps done before, when resuming.
        active: False on ranks other than 0.
    """

    def __init__(
        self,
        folder: Path,
        live: Sequence[Tracker] = (),
        followers: Sequence[Follower] = (),
        *,
        total: int,
        step: int,
        active: bool,
    ) -> None:
        self.active = active
        self.total = total
        self._path = folder / METRICS
        self._live = live
        self._followers = followers
        self._bar = tqdm(
            total=total, initial=step, unit="step", disable=not (active and sys.stderr.isatty())
        )
        if active:
            folder.mkdir(parents=True, exist_ok=True)
            self.settle(step, evaluated=True)  # what an earlier process did not come to send

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
        self._keep(line)
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
        self._keep(line)
        shown = ", ".join(f"{name} {number(value, 4)}" for name, value in metrics.items())
        logger.info(
            "epoch %d evaluated in %.1f s: %s", epoch, sum(seconds.values()), shown or "no metrics"
        )

    def pictures(self, step: int, epoch: int, files: dict[str, str]) -> None:
        """Record pictures.

        Args:
            step: optimiser steps done.
            epoch: as that of the evaluation they belong to.
            files: their paths in the run folder, by name.
        """
        if self.active and files:
            self._keep({"kind": "pictures", "epoch": epoch, "step": step, "pictures": files})

    def worst(
        self,
        step: int,
        epoch: int,
        samples: Sequence[tuple[Worst, str]],
        pictures: Mapping[str, str],
    ) -> None:
        """Record the samples of an epoch with the highest losses.

        Args:
            step: optimiser steps done.
            epoch: of the samples.
            samples: and their names.
            pictures: paths in the run folder by name, if they were painted.
        """
        if not (self.active and samples):
            return
        found, names = zip(*samples, strict=True)
        line = {"kind": "worst", "epoch": epoch, "step": step}
        line |= {"loss": [one.loss for one in found], "key": [one.key for one in found]}
        line |= {"name": list(names)}
        self._keep(line | ({"pictures": dict(pictures)} if pictures else {}))
        shown = [f"{one.loss:.4g} {name}" for one, name in samples[:_NAMED]]
        logger.info("epoch %d, highest losses of samples: %s", epoch, ", ".join(shown))

    def settle(self, step: int, *, evaluated: bool) -> None:
        """Let trackers have what a checkpoint is behind: a resumed run will not repeat it.

        Args:
            step: optimiser steps in the checkpoint.
            evaluated: whether the evaluation that follows ``step`` is in it, too.
        """
        for follower in self._followers if self.active else ():
            follower.send(lambda line: is_behind(line, step, evaluated=evaluated))

    def close(self) -> None:
        """Close the bar and the files."""
        self._bar.close()
        for tracker in (*self._live, *self._followers) if self.active else ():
            tracker.close()

    def _keep(self, line: dict[str, Any]) -> None:
        step = line["step"]
        try:
            append_line(self._path, json.dumps(_plain(line)))
            for tracker in self._live:
                hand_over(tracker, line, self._path.parent)
        except OSError as error:
            logger.warning(
                "The records of step %d are not complete (%s); training goes on.",
                step,
                error.strerror,
            )


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
        if is_behind(line, step, evaluated=evaluated):
            kept.append(text)
    part = path.with_name(path.name + ".part")
    part.write_text("".join(f"{text}\n" for text in kept), encoding="utf-8")
    part.replace(path)


def is_behind(line: dict[str, Any], step: int, *, evaluated: bool) -> bool:
    """Return whether a run resumed after ``step`` will not write a line again."""
    limit = step if line["kind"] not in _OF_EVALUATIONS or evaluated else step - 1
    return line["step"] <= limit


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
