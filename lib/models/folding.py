"""Batch-norms merged into the convolutions before them, for a network that only predicts."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from lib.models.cost import run_without_data

SAME = (nn.Identity, nn.Dropout)  # hand on the very tensor they got


def fold_batch_norm(network: nn.Module, size: tuple[int, int] | None = None) -> int:
    """Merge every batch-norm that directly follows a convolution into it, in place.

    The network then computes the same in fewer steps. It can no longer be trained, and its state
    dict has other names; activations inside a norm (timm's fused layers) stay.

    Args:
        network: in evaluation mode.
        size: ``(height, width)`` of an image that it accepts; nothing is computed, the order of the
            layers is read off a pass without data. None takes the network's ``input_size``, else a
            small one.

    Returns:
        The number of batch-norms that are gone.

    Raises:
        ValueError: the network is in training mode.
    """
    if network.training:
        raise ValueError("fold batch-norm in evaluation mode only: call network.eval() first")
    width, height = getattr(network, "input_size", (64, 64))
    pairs = _pairs(network, size or (height, width))
    gone = {norm: _rest(norm, _merge(conv, norm)) for conv, norm in pairs}
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if child in gone:
                setattr(parent, name, gone[child])
    return len(pairs)


def _pairs(network: nn.Module, size: tuple[int, int]) -> list[tuple[_ConvNd, nn.Module]]:
    """Return each convolution whose output one norm reads, and nothing else, with that norm."""
    made: dict[int, tuple[Tensor, _ConvNd]] = {}  # the tensor is kept, so that its id stays its own
    readers: dict[_ConvNd, list[nn.Module]] = {}
    calls: dict[nn.Module, int] = {}

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        calls[module] = calls.get(module, 0) + 1
        for value in inputs:
            if id(value) in made and not isinstance(module, SAME):
                readers[made[id(value)][1]].append(module)
        if isinstance(module, _ConvNd):
            made[id(output)] = (output, module)
            readers.setdefault(module, [])

    layers = [m for m in network.modules() if _is_norm(m) or not any(m.children())]
    hooks = [module.register_forward_hook(note) for module in layers]
    try:
        run_without_data(network, size)
    finally:
        for hook in hooks:
            hook.remove()
    pairs = [(conv, modules[0]) for conv, modules in readers.items() if len(modules) == 1]
    return [pair for pair in pairs if _can_merge(pair[1]) and calls[pair[0]] == calls[pair[1]] == 1]


def _is_norm(module: nn.Module) -> bool:
    """Return whether a module is a batch-norm, torchvision's frozen one included."""
    misc = sys.modules.get("torchvision.ops.misc")  # imported, if the network has one of its parts
    return isinstance(module, _BatchNorm if misc is None else (_BatchNorm, misc.FrozenBatchNorm2d))


def _can_merge(norm: Any) -> bool:
    return _is_norm(norm) and norm.running_mean is not None


class Shift(nn.Module):
    """Adds a number to every channel, in place.

    Args:
        shift: (C,) numbers.
    """

    def __init__(self, shift: Tensor) -> None:
        super().__init__()
        self.shift = nn.Parameter(shift[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W), a convolution's own output, to the same shape."""
        if torch.compiler.is_compiling():
            x = x.clamp(min=-torch.inf)  # changes nothing, and keeps it from being made a bias
        return x.add_(self.shift)


@torch.no_grad()
def _merge(conv: _ConvNd, norm: Any) -> Tensor | None:
    """Scale the kernels and shift the bias of ``conv`` as ``norm`` would its output.

    Returns:
        The shift, where it is better added afterwards: oneDNN has no grouped transposed convolution
        with a bias, and what PyTorch runs instead takes ten times as long.
    """
    mean, variance = norm.running_mean, norm.running_var
    scale = (variance.double() + norm.eps).rsqrt()
    if isinstance(norm.weight, Tensor):
        scale = scale * norm.weight
    shift = -mean * scale
    if isinstance(norm.bias, Tensor):
        shift = shift + norm.bias
    bias = shift if conv.bias is None else shift + conv.bias * scale
    kernels = conv.weight.double()
    if isinstance(conv, _ConvTransposeNd):  # (in, out / groups, k, k): outputs are the second axis
        grouped = kernels.unflatten(0, (conv.groups, -1))
        grouped = grouped * scale.view(conv.groups, 1, -1, *[1] * (kernels.ndim - 2))
        kernels = grouped.flatten(0, 1)
    else:
        kernels = kernels * scale.view(-1, *[1] * (kernels.ndim - 1))
    conv.weight.copy_(kernels)
    bias = bias.to(conv.weight.dtype)
    if isinstance(conv, _ConvTransposeNd) and conv.groups > 1:
        conv.bias = None
        return bias
    conv.bias = nn.Parameter(bias)
    return None


def _rest(norm: nn.Module, shift: Tensor | None) -> nn.Module:
    """Return what is left of a norm: nothing, a shift, the activation that timm fuses into it."""
    inner = [getattr(norm, name, None) for name in ("drop", "act")]
    parts = [part for part in inner if isinstance(part, nn.Module)]
    if shift is not None:
        parts.insert(0, Shift(shift))
    return nn.Sequential(*parts) if parts else nn.Identity()
