"""Results on their way from the device, while the processor goes on."""

from __future__ import annotations

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
        return self._host.numpy()
