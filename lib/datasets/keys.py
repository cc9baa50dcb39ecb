"""Random numbers of a sample: keyed by (seed, epoch, index), so that nothing else can move them."""

from __future__ import annotations

import threading

import numpy as np


class _KeyedGenerator(threading.local):
    """One counter-based generator per thread: a key is set in 3 us, a new one costs 20."""

    def __init__(self) -> None:
        self.bits = np.random.Philox(0)
        self.generator = np.random.Generator(self.bits)
        self.state = self.bits.state  # of a generator that has drawn nothing yet


_KEYED = _KeyedGenerator()


def keyed_generator(seed: int, epoch: int, index: int, stream: int = 0) -> np.random.Generator:
    """Return the random generator of one sample of one epoch; valid until the next call.

    A sample has several streams of numbers, so that one kind of draw does not move another. Keys
    have streams of their own by construction (Salmon et al. 2011, "Parallel Random Numbers:
    As Easy as 1, 2, 3"). Each thread has one generator, which every call sets to the new key.
    """
    state = _KEYED.state["state"]
    state["key"][:] = seed % 2**63, stream
    state["counter"][:] = 0, 0, index, epoch  # draws count up from the first word
    _KEYED.bits.state = _KEYED.state
    return _KEYED.generator
