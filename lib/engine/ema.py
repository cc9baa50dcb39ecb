"""Exponential moving average of the weights, used for evaluation instead of the trained ones."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """Averages a network after every optimiser step: ``a = d a + (1 - d) w``.

    The decay starts low, so that the random start is soon forgotten: after ``t`` steps it is
    ``min(decay, (1 + t) / (10 + t))``; or, with a ramp of ``T`` steps, ``1 - d`` falls as
    ``(1 - decay) + decay exp(-t / T)``, and the first step's weights are taken as they are (the
    exponential momentum of RTMPose's recipe, Jiang et al. 2023). Floating-point buffers (batch
    statistics) are averaged too.

    Args:
        network: the unwrapped network, with the weights to start from.
        decay: in (0, 1), for instance 0.9998.
        ramp: T in steps; 0 for the first form.
    """

    def __init__(self, network: nn.Module, decay: float, ramp: float = 0.0) -> None:
        if not 0.0 < decay < 1.0:
            raise ValueError(f"decay must be in (0, 1), got {decay}")
        self.decay = decay
        self.ramp = ramp
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        averaged, source = _tensors(self.network), _tensors(network)
        floats = [i for i, tensor in enumerate(source) if tensor.is_floating_point()]
        rest = [i for i, tensor in enumerate(source) if not tensor.is_floating_point()]
        self._floats = [averaged[i] for i in floats], [source[i] for i in floats]
        self._rest = [averaged[i] for i in rest], [source[i] for i in rest]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights after the ``step``-th step, counted from 1."""
        get_ema_multi_avg_fn(self.decay_at(step))(*self._floats, step)
        for target, source in zip(*self._rest, strict=True):
            target.copy_(source)

    def decay_at(self, step: int) -> float:
        """Return the decay after the ``step``-th step, counted from 1."""
        if not self.ramp:
            return min(self.decay, (1 + step) / (10 + step))
        if step == 1:
            return 0.0
        return self.decay * (1.0 - math.exp(-step / self.ramp))


def _tensors(module: nn.Module) -> list[Tensor]:
    return [tensor.detach() for tensor in (*module.parameters(), *module.buffers())]
