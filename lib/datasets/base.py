"""What a training set is, for every task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

Key = tuple[int, int]  # (epoch, index) of a training sample


class TrainData(ABC):
    """A training set whose samples depend on nothing but their key: not on order, worker or past.

    The key is ``(epoch, index)``: the engine's sampler hands out both, so that a resumed run
    or one with other workers draws the same augmentations. The engine calls the methods below and
    no others; those with a body may stay as they are.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples of an epoch."""

    @abstractmethod
    def __getitem__(self, key: Key) -> Any:
        """Return sample ``index`` as augmented in ``epoch``."""

    def batch(self, keys: Sequence[Key]) -> Any:
        """Return several samples in any form that the task's ``collate`` takes: here, a list."""
        return [self[key] for key in keys]

    def name(self, index: int) -> str:
        """Return what messages call sample ``index``."""
        return str(index)

    @property
    def sources(self) -> np.ndarray | None:
        """(N,) the file of each sample, for ``TRAIN.WHOLE_IMAGES``; None: each has its own."""
        return None

    @property
    def shares(self) -> Sequence[tuple[int, int]] | None:
        """``(size, samples per epoch)`` of each part of a mix; None: every sample once an epoch.

        A sample that an epoch shows again has an index beyond the last, see ``EpochSampler``: data
        with shares take indices modulo their length.
        """
        return None
