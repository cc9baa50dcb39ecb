"""Augmentation that changes in the course of a run, and from data set to data set of a mix."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Stages(Generic[T]):
    """What may be done to samples, by the epoch of their key alone.

    A run that was resumed, or whose loader processes live on, is thus in the stage it should be.

    Attributes:
        first: holds from the start.
        later: ``(epoch, what holds from it on)``, epochs as in keys (from 0), growing.
    """

    first: T
    later: tuple[tuple[int, T], ...] = ()

    def at(self, epoch: int) -> T:
        """Return what holds in ``epoch``."""
        current = self.first
        for start, following in self.later:
            if epoch >= start:
                current = following
        return current


@dataclass(frozen=True)
class PartStages(Generic[T]):
    """The stages of each part of a training set, by the rows that it covers.

    Attributes:
        parts: the stages of each part.
        ends: (P,) one past the last row of each.
    """

    parts: tuple[Stages[T], ...]
    ends: tuple[int, ...]

    @classmethod
    def of(cls, parts: Sequence[Stages[T]], sizes: Sequence[int]) -> PartStages[T]:
        """Return those of parts with so many rows each, one after the other."""
        return cls(tuple(parts), tuple(accumulate(sizes)))

    def at(self, epoch: int, row: int) -> T:
        """Return what holds for ``row`` in ``epoch``."""
        return self.parts[bisect_right(self.ends, row)].at(epoch)
