"""Random states of a process: set once, kept in checkpoints as plain values."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

RngState = dict[str, Any]


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (all devices) of this process; ``seed`` is taken modulo 2^32."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - third-party code draws from the global state
    torch.manual_seed(seed)


def rng_state(device: torch.device | None = None) -> RngState:
    """Return the states of Python, NumPy, torch and ``device`` (if CUDA).

    Numbers, lists and tensors only: it passes ``torch.load(weights_only=True)``.
    """
    version, words, gauss = random.getstate()
    numpy_state: Any = np.random.get_state(legacy=True)  # noqa: NPY002
    name, keys, position, has_gauss, cached = numpy_state
    state: RngState = {
        "python": [version, torch.tensor(words), gauss],
        "numpy": [
            str(name),
            torch.from_numpy(keys.astype(np.int64)),
            int(position),
            int(has_gauss),
            float(cached),
        ],
        "torch": torch.get_rng_state(),
    }
    if device is not None and device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    if device is not None and device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def restore_rng(state: RngState, device: torch.device | None = None) -> None:
    """Put the states of ``rng_state`` back; a CUDA state is used only where the device has one."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    keys = keys.numpy().astype(np.uint32)
    np.random.set_state((name, keys, position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(state["torch"].cpu())
    if device is not None and device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
    if device is not None and device.type == "mps" and "mps" in state:
        torch.mps.set_rng_state(state["mps"].cpu())


@contextmanager
def preserved_rng(device: torch.device | None = None) -> Iterator[None]:
    """Let the block draw random numbers without any effect on what is drawn after it."""
    state = rng_state(device)
    try:
        yield
    finally:
        restore_rng(state, device)
