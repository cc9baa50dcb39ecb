"""Exponential moving average of the weights, used for evaluation instead of the trained ones."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """Averages a network after every optimiser step: ``a = d a + (1 - d) w``.

    The decay starts low, ``d = min(decay, (1 + t) / (10 + t))`` after ``t`` steps, so that the
    random start is soon forgotten. Floating-point buffers (batch statistics) are averaged too.

    Args:
        network: the unwrapped network, with the weights to start from.
        decay: in (0, 1), for instance 0.9998.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        if not 0.0 < decay < 1.0:
            raise ValueError(f"decay must be in (0, 1), got {decay}")
        self.decay = decay
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        averaged, source = _tensors(self.network), _tensors(network)
        floats = [i for i, tensor in enumerate(source) if tensor.is_floating_point()]
        rest = [i for i, tensor in enumerate(source) if not tensor.is_floating_point()]
        self._floats = [averaged[i] for i in floats], [source[i] for i in floats]
        self._rest = [averaged[i] for i in rest], [source[i] for i in rest]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights after the ``step``-th step, counted from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(*self._floats, step)
        for target, source in zip(*self._rest, strict=True):
            target.copy_(source)


def _tensors(module: nn.Module) -> list[Tensor]:
    return [tensor.detach() for tensor in (*module.parameters(), *module.buffers())]
