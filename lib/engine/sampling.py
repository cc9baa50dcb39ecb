"""Order of the training samples: a function of (seed, epoch), so any position can be found again.

Differs from ``torch.utils.data.DistributedSampler``: the shuffled order is cut into global batches
first and each rank takes its part of every one, so that N processes see the batches of one process
with an N times larger batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from lib.datasets.base import Key

_ROUNDS = 1  # in the key of the orders of rounds: they differ from those of epochs


class EpochSampler(Sampler[list[Key]]):
    """Yields the batches of one epoch from a given one on; ``seek`` chooses both.

    The last batch may be smaller. Every rank gets equally many samples of each batch; where they do
    not divide, the first samples of that batch are repeated (fewer than there are ranks).

    Args:
        size: number of samples.
        batch_size: samples per batch and rank.
        seed: keys the order together with the epoch.
        shuffle: False keeps the order of the data set.
        rank: this process.
        world: number of processes.
        groups: (size,) group of each sample if a batch must hold one group only.
        together: (size,) source of each sample; samples of one source follow each other in the
            shuffled order, so that a source is opened once (twice where a batch ends inside).
        shares: ``(size, samples per epoch)`` of each part of a mixed training set, parts one after
            the other; None shows every sample once per epoch.

    A part with shares goes through its samples in ever new orders and begins, in each epoch, where
    the one before ended. Sample ``s`` that an epoch shows for the n-th time has the index
    ``s + (n - 1) * size``, so that it is augmented differently each time.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        *,
        seed: int,
        shuffle: bool = True,
        rank: int = 0,
        world: int = 1,
        groups: Sequence[int] | None = None,
        together: np.ndarray | None = None,
        shares: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        if size < 1 or batch_size < 1:
            raise ValueError(f"size {size} and batch_size {batch_size} must be positive")
        if groups is not None and len(groups) != size:
            raise ValueError(f"groups must have {size} entries, got {len(groups)}")
        self.rows = size
        self.shares = [(size, size)] if shares is None else list(shares)
        self.size = sum(count for _, count in self.shares)  # samples of an epoch
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.world = world
        self.groups = None if groups is None else np.asarray(groups)
        self.together = together
        self.epoch = 0
        self.start = 0
        self._length = len(self.batches(0))

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch, the same on every rank."""
        return self._length

    def seek(self, epoch: int, start: int = 0) -> None:
        """Let the next iteration yield ``epoch`` from batch ``start`` on."""
        self.epoch, self.start = epoch, start

    def __iter__(self) -> Iterator[list[Key]]:
        epoch = self.epoch
        for batch in self.batches(epoch)[self.start :]:
            yield [(epoch, int(index)) for index in self._share(batch)]

    def batches(self, epoch: int) -> list[np.ndarray]:
        """Return the global batches of ``epoch``: index arrays of up to batch_size x world."""
        order = self._samples(epoch)
        if self.shuffle:
            rng = np.random.default_rng([self.seed % 2**63, epoch])
            order = order[rng.permutation(self.size)]
            if self.together is not None:
                order = _side_by_side(order, self.together[order % self.rows])
        size = self.batch_size * self.world
        if self.groups is None:
            return _chunks(order, size)
        return _group_chunks(order, self.groups[order % self.rows], size)

    def _samples(self, epoch: int) -> np.ndarray:
        """Return the (size,) indices of an epoch, part after part."""
        parts, start = [], 0
        for number, (size, count) in enumerate(self.shares):
            rounds, places = np.divmod(epoch * count + np.arange(count), size)
            if self.shuffle and count % size:  # else everybody is shown equally often anyway
                for one in np.unique(rounds):
                    rng = np.random.default_rng([self.seed % 2**63, int(one), number, _ROUNDS])
                    places[rounds == one] = rng.permutation(size)[places[rounds == one]]
            again = rounds - rounds[:1]
            parts.append(start + places + self.rows * again)
            start += size
        return np.concatenate(parts)

    def _share(self, batch: np.ndarray) -> np.ndarray:
        share = -(-len(batch) // self.world)
        return np.resize(batch, share * self.world)[self.rank * share :][:share]


def _side_by_side(order: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Move samples up to the first of their source, both (size,) in order."""
    _, first, source = np.unique(sources, return_index=True, return_inverse=True)
    return order[np.argsort(first[source], kind="stable")]


def _chunks(order: np.ndarray, size: int) -> list[np.ndarray]:
    return [order[start : start + size] for start in range(0, len(order), size)]


def _group_chunks(order: np.ndarray, groups: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut each group on its own; batches come in the order in which they would have filled up."""
    chunks: list[np.ndarray] = []
    for group in np.unique(groups):
        chunks += _chunks(np.flatnonzero(groups == group), size)
    return [order[chunk] for chunk in sorted(chunks, key=lambda chunk: chunk[-1])]
