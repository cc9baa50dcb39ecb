"""What was tried, and how it went: one SQLite file that several processes may share."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

from lib.sweep.samplers import Trial
from lib.utils.errors import ConfigError

FILE = "sweep.sqlite"
_PATIENCE = 60.0  # seconds to wait for another process that writes
_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trial (number INTEGER PRIMARY KEY, settings TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS run (
    trial INTEGER NOT NULL, seed INTEGER NOT NULL, score REAL, note TEXT NOT NULL,
    PRIMARY KEY (trial, seed));
"""


@dataclass(frozen=True)
class Run:
    """How one training of a trial ended.

    Attributes:
        trial: number of the trial.
        seed: of the training.
        score: of its weights; None if there is none.
        note: why there is none.
    """

    trial: int
    seed: int
    score: float | None
    note: str = ""


class Store:
    """Trials and their runs, in a file; what is in it survives a kill at any moment.

    Args:
        path: the file, made if it is not there.

    Raises:
        ConfigError: it is no such file.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        try:
            with self._writing() as base:
                for command in _TABLES.split(";"):
                    base.execute(command)
        except sqlite3.DatabaseError as error:
            raise ConfigError(
                f"{path} cannot be used as the file of a sweep ({error}); give another --out."
            ) from None

    def check(self, about: dict[str, Any]) -> None:
        """Note what is searched, or compare it with what was searched here before.

        Raises:
            ConfigError: it is another search; names the first difference.
        """
        with self._writing() as base:
            known = dict(base.execute("SELECT name, value FROM about").fetchall())
            if not known:
                rows = [(name, json.dumps(value)) for name, value in about.items()]
                base.executemany("INSERT INTO about VALUES (?, ?)", rows)
                return
        for name, value in about.items():
            if name in known and json.loads(known[name]) != json.loads(json.dumps(value)):
                raise ConfigError(
                    f"{self.path} holds another sweep: its {name} is {known[name]:.200}, here it "
                    f"is {json.dumps(value):.200}. Give another --out, or set it back."
                )

    def trials(self, seeds: Sequence[int]) -> list[Trial]:
        """Return all trials; one has a value when all of ``seeds`` have been trained."""
        with self._writing() as base:
            return self._trials(base, seeds)

    def runs(self) -> dict[tuple[int, int], Run]:
        """Return the runs that ended, by trial and seed."""
        with self._writing() as base:
            return _runs(base)

    def add(
        self, ask: Callable[[int, list[Trial]], Trial], most: int, seeds: Sequence[int]
    ) -> Trial | None:
        """Add one trial, unless there are ``most``; nobody else adds one meanwhile.

        Args:
            ask: makes it, given its number and the trials before it.
            most: trials that there may be.
            seeds: of the runs that make a value.
        """
        with self._writing() as base:
            earlier = self._trials(base, seeds)
            if len(earlier) >= most:
                return None
            trial = ask(len(earlier), earlier)
            row = (trial.number, json.dumps(trial.settings))
            base.execute("INSERT INTO trial VALUES (?, ?)", row)
            return trial

    def note(self, run: Run) -> None:
        """Note how a run ended."""
        score = run.score if run.score is not None and math.isfinite(run.score) else None
        note = run.note if score is not None or run.note else "no score"
        with self._writing() as base:
            row = (run.trial, run.seed, score, note)
            base.execute("INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?)", row)

    def forget_failures(self) -> int:
        """Let what failed be tried again; return how many runs that are."""
        with self._writing() as base:
            return base.execute("DELETE FROM run WHERE score IS NULL").rowcount

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the file for a block, whose changes come all or not at all."""
        # A connection of its own each time: none is open while a trial trains for hours.
        with closing(sqlite3.connect(self.path, _PATIENCE, isolation_level=None)) as base:
            base.execute("BEGIN IMMEDIATE")
            try:
                yield base
            except BaseException:
                base.execute("ROLLBACK")
                raise
            base.execute("COMMIT")

    def _trials(self, base: sqlite3.Connection, seeds: Sequence[int]) -> list[Trial]:
        runs = _runs(base)
        rows = base.execute("SELECT number, settings FROM trial ORDER BY number")
        return [
            _with_value(
                Trial(number, json.loads(settings)),
                [run for seed in seeds if (run := runs.get((number, seed))) is not None],
                len(seeds),
            )
            for number, settings in rows.fetchall()
        ]


def _runs(base: sqlite3.Connection) -> dict[tuple[int, int], Run]:
    rows = base.execute("SELECT trial, seed, score, note FROM run").fetchall()
    return {(row[0], row[1]): Run(*row) for row in rows}


def _with_value(trial: Trial, runs: Sequence[Run], wanted: int) -> Trial:
    scores = [run.score for run in runs if run.score is not None]
    if len(scores) < len(runs):
        return replace(trial, failed=True)
    return replace(trial, value=mean(scores)) if len(scores) == wanted else trial
