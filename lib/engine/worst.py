"""The samples of an epoch that cost most: wrong labels, damaged pictures, and what is hard."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lib.engine.distributed import current_world, gather_objects_everywhere


@dataclass(frozen=True)
class Worst:
    """A sample and what it lost.

    Attributes:
        loss: of the sample alone.
        epoch: pass over the training set, from 0; with ``index`` it is the key of the sample, which
            says who it is and which view was drawn.
        index: in the training set.
    """

    loss: float
    epoch: int
    index: int

    @property
    def key(self) -> str:
        """``epoch:index``."""
        return f"{self.epoch}:{self.index}"


class WorstSamples:
    """Keeps the samples of the current pass with the highest losses.

    Losses stay on the device until `settle`, so that nothing waits for it.

    Args:
        count: how many to keep; 0 keeps none, and then nothing costs anything.
    """

    def __init__(self, count: int = 0) -> None:
        self.count = count
        self._kept: list[Worst] = []
        self._keys: list[tuple[int, int]] = []
        self._losses: list[Tensor] = []

    def note(self, epoch: int, indices: Sequence[int], losses: Tensor) -> None:
        """Take the samples of a step of this rank.

        Args:
            epoch: pass of its samples.
            indices: N numbers of samples.
            losses: (N,) on the device.
        """
        if self.count:
            self._keys += [(epoch, index) for index in indices]
            self._losses.append(losses)

    def settle(self) -> None:
        """Read what was noted off the device, and keep the worst of it."""
        if not self._losses:
            return
        losses = torch.cat(self._losses).float().tolist()
        found = [Worst(loss, *key) for loss, key in zip(losses, self._keys, strict=True)]
        self._keys, self._losses = [], []
        self._kept = self._worst([*self._kept, *found])

    def of_all_ranks(self) -> list[Worst]:
        """Return the worst of all ranks, the worst first; every rank must call."""
        self.settle()
        return self._worst(one for part in gather_objects_everywhere(self._kept) for one in part)

    def take(self) -> list[Worst]:
        """Return the worst of all ranks and begin anew; every rank must call."""
        found, self._kept = self.of_all_ranks(), []
        return found

    def state(self) -> list[list[float]]:
        """Return what a checkpoint keeps; every rank must call."""
        return [[one.loss, one.epoch, one.index] for one in self.of_all_ranks()]

    def restore(self, state: Iterable[Sequence[float]]) -> None:
        """Go on where a checkpoint stopped: one rank has what all had."""
        if current_world().is_main:
            rows = ((float(loss), int(epoch), int(index)) for loss, epoch, index in state)
            self._kept = self._worst(Worst(*row) for row in rows)

    def _worst(self, samples: Iterable[Worst]) -> list[Worst]:
        """Return the worst, each once: ranks may share samples where a batch does not divide."""
        found: dict[str, Worst] = {}
        for one in sorted(samples, key=_order):
            found.setdefault(one.key, one)
        return list(found.values())[: self.count]


def _order(one: Worst) -> tuple[float, int, int]:
    """Sort the highest loss first; what is no number is worse than all."""
    return (-one.loss if math.isfinite(one.loss) else -math.inf, one.epoch, one.index)
