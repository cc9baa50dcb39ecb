"""What had to be decided while a file was read: one line each, with counts and examples."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

SHOWN = 3  # examples in a line


@contextmanager
def unlogged() -> Iterator[None]:
    """Log no decisions meanwhile, where the caller shows them itself."""
    parent = logging.getLogger("lib.annotations")
    level = parent.level
    parent.setLevel(logging.ERROR)
    try:
        yield
    finally:
        parent.setLevel(level)


@dataclass(frozen=True)
class Decision:
    """One thing that a file says unusually, and what was made of it.

    Attributes:
        key: the file's key that it is about, such as ``area``.
        sentence: how many, what is wrong, what was done.
        count: entries concerned.
        examples: the first few of their ids, as the file writes them.
        usual: a data set of its kind does so, too; nothing is wrong.
    """

    key: str
    sentence: str
    count: int
    examples: tuple[Any, ...] = ()
    usual: bool = False

    def __str__(self) -> str:
        if not self.examples:
            return self.sentence
        more = ", ..." if self.count > len(self.examples) else ""
        return f"{self.sentence} (ids {', '.join(map(str, self.examples))}{more})"


class Decisions:
    """The decisions about one file, in the order they were taken.

    Args:
        path: the file, for messages.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self.all: list[Decision] = []

    def add(self, key: str, sentence: str, ids: Sequence[Any] = (), *, usual: bool = False) -> None:
        """Note a decision; ``{n}`` in ``sentence`` becomes the number of ``ids``."""
        text = sentence.replace("{n}", str(len(ids)))
        self.all.append(Decision(key, text, len(ids), tuple(ids[:SHOWN]), usual))

    def log(self) -> None:
        """Say each in a line: a warning, or, where it is usual, at the debug level."""
        for decision in self.all:
            level = logging.DEBUG if decision.usual else logging.WARNING
            logger.log(level, "%s: %s.", self.path, decision)
