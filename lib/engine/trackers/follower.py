"""Sends each line of ``metrics.jsonl`` to a tracker once, whatever stops the run."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib.engine.trackers.base import Tracker, numbers_of

logger = logging.getLogger(__name__)

STATE = "trackers.json"  # identities, and how many lines each tracker has got


class Follower:
    """Keeps a tracker up to date with the records that a resumed run will not write again.

    A tracker that fails is given up with a warning; training goes on.

    Args:
        name: of the tracker.
        open_tracker: opens its record, given its identity of before, '' for a fresh run.
        records: ``metrics.jsonl``.
    """

    def __init__(self, name: str, open_tracker: Callable[[str], Tracker], records: Path) -> None:
        self.name = name
        self._records = records
        self._state = records.with_name(STATE)
        self._tracker: Tracker | None = None
        mine = self._known().get(name, {})
        self._sent = int(mine.get("lines", 0))
        self._try(lambda: self._open(open_tracker, mine.get("identity", "")))

    def send(self, settled: Callable[[dict[str, Any]], bool]) -> None:
        """Send the lines that are new, up to the first that is not ``settled``."""
        for text in self._lines()[self._sent :]:
            line = json.loads(text)
            if self._tracker is None or not settled(line):
                break
            self._try(lambda line=line: self._hand_over(line))
            self._sent += 1
        self._remember()

    def close(self) -> None:
        """End the tracker's record of this process."""
        if self._tracker is not None:
            self._try(self._tracker.close)

    def _open(self, open_tracker: Callable[[str], Tracker], identity: str) -> None:
        self._tracker = open_tracker(identity)
        kept = self._tracker.kept_until() if identity else None
        if kept is not None:
            steps = [json.loads(text)["step"] for text in self._lines()]
            self._sent = min(self._sent, sum(step <= kept for step in steps))
        self._remember()

    def _hand_over(self, line: dict[str, Any]) -> None:
        assert self._tracker is not None
        hand_over(self._tracker, line, self._records.parent)

    def _lines(self) -> list[bytes]:
        return self._records.read_bytes().splitlines() if self._records.exists() else []

    def _known(self) -> dict[str, Any]:
        return json.loads(self._state.read_text(encoding="utf-8")) if self._state.exists() else {}

    def _remember(self) -> None:
        if self._tracker is None:
            return
        mine = {"identity": self._tracker.identity, "lines": self._sent}
        part = self._state.with_name(f"{STATE}.part")
        part.write_text(json.dumps({**self._known(), self.name: mine}), encoding="utf-8")
        part.replace(self._state)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # whatever a tracker's package raises
            self._tracker = None
            words = " ".join(str(error).split())[:300]
            logger.warning("%s takes no more records (%s); training goes on.", self.name, words)


def hand_over(tracker: Tracker, line: dict[str, Any], folder: Path) -> None:
    """Give a line of ``metrics.jsonl`` to a tracker: its numbers, and the pictures it names.

    Raises:
        OSError: a picture is gone, or the disk takes no more.
    """
    values = dict(numbers_of(line))
    if values:
        tracker.scalars(values, line["step"])
    for name, file in line.get("pictures", {}).items():
        tracker.picture(name, folder / file, line["step"])
