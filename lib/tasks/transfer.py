"""What goes to the device and comes from it without a wait."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


class HostCopy:
    """A copy of a tensor in the memory of the processor; made in the background from a GPU.

    Args:
        tensor: on any device; what is done to it afterwards does not change the copy of a GPU's.
    """

    def __init__(self, tensor: Tensor) -> None:
        self._there: torch.cuda.Event | None = None
        self._host = tensor
        if tensor.is_cuda:
            self._host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._host.copy_(tensor, non_blocking=True)
            self._there = torch.cuda.Event()
            self._there.record(torch.cuda.current_stream(tensor.device))

    def numpy(self) -> np.ndarray:
        """Wait for the copy, but for nothing that was asked of the device later; return it."""
        if self._there is not None:
            self._there.synchronize()
        return (self._host.cpu() if self._host.is_mps else self._host).numpy()


def index_on(device: torch.device, index: np.ndarray) -> Tensor:
    """Return an index (n,) as int64 on a device; it is copied once, as a copy waits for all work.

    The tensor is everybody's: do not write to it.
    """
    return _index_on(device, tuple(index.tolist()))


@lru_cache(maxsize=64)
def _index_on(device: torch.device, index: tuple[int, ...]) -> Tensor:
    return torch.tensor(index, dtype=torch.int64, device=device)
