"""Parameters and multiply-accumulates of a network, by hooks on a forward pass without data.

Two ways of counting, both over convolutions, transposed convolutions and linear layers, for one
image; biases, norms, activations, pooling and interpolation count nothing:

* ``macs``: what is really multiplied; a transposed convolution has one product per weight and
  *input* position, a linear layer ``in_features`` per output element.
* ``legacy_macs``: the counter that the HRNet family's tables come from. It takes transposed
  convolutions at their *output* size (4x too much at stride 2), and ``input.shape[1]`` for the
  width of a linear layer's input, which is the token count wherever tokens are (B, N, C).

``attention_macs`` are products of activations with activations; no table contains them. A module
that makes such products declares them by a method ``attention_macs(*inputs) -> int``, which takes
the inputs of its ``forward``. A network whose forward cannot run without data (detectors) has a
method ``cost_forward(images, rois)`` that runs the parts to be counted, and an attribute
``cost_size``, the ``(height, width)`` that its published costs are of.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd


@dataclass
class Complexity:
    """Cost of one image; also readable as ``cost["macs"]``, and ``dict(cost)`` works.

    Attributes:
        params: elements of all parameters.
        macs: multiply-accumulates of convolutions and linear layers.
        attention_macs: multiply-accumulates between activations.
        legacy_macs: what the HRNet family's counter says.
    """

    params: int
    macs: int = 0
    attention_macs: int = 0
    legacy_macs: int = 0

    def keys(self) -> list[str]:
        """Return the names of the figures."""
        return list(asdict(self))

    def __getitem__(self, name: str) -> int:
        return asdict(self)[name]


# Layers without cost that keep the shape: skipped, since they take half the time on meta tensors.
FREE = (_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.ReLU, nn.GELU, nn.SiLU)

# How a family's published table counts and divides: name -> (figures to add up, divisor).
CONVENTIONS: dict[str, tuple[tuple[str, ...], float]] = {
    "legacy / 2^30": (("legacy_macs",), 2.0**30),
    "legacy / 1e9": (("legacy_macs",), 1e9),
    "macs / 2^30": (("macs",), 2.0**30),
    "macs / 1e9": (("macs",), 1e9),
    "macs + attention / 1e9": (("macs", "attention_macs"), 1e9),
}


def table_figure(cost: Complexity, convention: str) -> float:
    """Return the "GFLOPs" that a published table would show, see ``CONVENTIONS``."""
    figures, divisor = CONVENTIONS[convention]
    return sum(cost[figure] for figure in figures) / divisor


def complexity(model: nn.Module, size: tuple[int, int], rois: int | None = None) -> Complexity:
    """Count the cost of one image; nothing is computed, and ``model`` is left as it was.

    Args:
        model: any network, on any device, the meta device included.
        size: ``(height, width)`` of the image in pixels.
        rois: regions per image, for a network that works by region (it has ``cost_forward``).

    Raises:
        ValueError: ``rois`` for a network that does not work by region.
    """
    forward = getattr(model, "cost_forward", None)
    if rois is not None and forward is None:
        raise ValueError(f"{type(model).__name__} does not work by region: leave out rois")
    cost = Complexity(params=sum(p.numel() for p in model.parameters()))
    with _evaluating(model), _counting(model, cost):
        run_without_data(model, size, rois)
    return cost


@torch.no_grad()
def run_without_data(model: nn.Module, size: tuple[int, int], rois: int | None = None) -> None:
    """Call every module for one image (1, 3, height, width) on the meta device, hooks included.

    Args:
        model: any network, on any device; it stays there.
        size: ``(height, width)`` of the image.
        rois: for a network that works by region.
    """
    runner = _Runner(model, rois)
    tensors = [*runner.named_parameters(), *runner.named_buffers()]
    weights = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors}
    functional_call(runner, weights, (torch.empty(1, 3, *size, device="meta"),))


class _Runner(nn.Module):
    """Gives ``cost_forward`` the name ``forward``, the only one that ``functional_call`` calls."""

    def __init__(self, model: nn.Module, rois: int | None) -> None:
        super().__init__()
        self.model = model
        self.rois = rois

    def forward(self, images: Tensor) -> Any:
        run = getattr(self.model, "cost_forward", None)
        return self.model(images) if run is None else run(images, self.rois)


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Switch to evaluation and skip what costs nothing; then undo both, module by module."""
    flags = [(module, module.training) for module in model.modules()]
    free = [module for module in model.modules() if isinstance(module, FREE)]
    model.eval()
    for module in free:
        vars(module)["forward"] = _same
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training
        for module in free:
            del vars(module)["forward"]


def _same(x: Tensor) -> Tensor:
    return x


@contextmanager
def _counting(model: nn.Module, cost: Complexity) -> Iterator[None]:
    """Add up in ``cost`` what every module does while the context lasts."""

    def count(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if isinstance(module, (_ConvNd, nn.Linear)):
            cost.macs += _macs(module, inputs[0], output)
            cost.legacy_macs += _legacy_macs(module, inputs[0], output)
        declared = getattr(module, "attention_macs", None)
        if declared is not None:
            cost.attention_macs += declared(*inputs)

    hooks = [module.register_forward_hook(count) for module in model.modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _macs(module: _ConvNd | nn.Linear, x: Tensor, y: Tensor) -> int:
    """Return weights x positions: positions of the side that each weight visits once."""
    if isinstance(module, nn.Linear):
        return module.in_features * y.numel()
    places = x if isinstance(module, _ConvTransposeNd) else y
    return module.weight.numel() * (places.numel() // places.shape[1])


def _legacy_macs(module: _ConvNd | nn.Linear, x: Tensor, y: Tensor) -> int:
    if isinstance(module, nn.Linear):
        return x.shape[1] * y.numel()
    return module.weight.numel() * (y.numel() // y.shape[1])
