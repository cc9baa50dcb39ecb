"""Activations that the backward pass computes again instead of finding them in memory.

Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016: of a stage only the inputs are
kept; when its gradients are due, it runs once more. The numbers do not change by a bit: the second
pass draws the random numbers of the first, computes in the same precision, and counts its batch
statistics in copies that nobody reads.

A part of a network says by ``recomputable`` which of its sub-modules are such stages: names
relative to it, in which ``*`` and ``?`` stand for letters of one level (``stage?.*``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from fnmatch import fnmatchcase
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten
from torch.utils.checkpoint import checkpoint


def stages(network: nn.Module) -> dict[str, nn.Module]:
    """Return the stages that the parts of a network declare, by name, in the network's order."""
    found = {
        f"{prefix}.{name}".lstrip("."): stage
        for prefix, part in network.named_modules()
        for name, stage in _declared(part)
    }
    return {name: found[name] for name, _ in network.named_modules() if name in found}


def _declared(part: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    patterns = [pattern.split(".") for pattern in getattr(part, "recomputable", ())]
    for name, child in part.named_modules() if patterns else ():
        if any(_fits(name.split("."), levels) for levels in patterns):
            yield name, child


def _fits(name: list[str], levels: list[str]) -> bool:
    return len(name) == len(levels) and all(map(fnmatchcase, name, levels))


def recompute(stage: nn.Module) -> None:
    """Let a stage keep its inputs alone while it trains; in evaluation nothing changes.

    Its class becomes a sub-class that differs in ``forward``, so that names of weights, hooks,
    copies and replicas stay what they are. PyTorch stops a training that changes a stage's inputs
    in place.
    """
    if not isinstance(stage, Recomputed):
        stage.__class__ = _recomputed(type(stage))


class Recomputed(nn.Module):
    """Comes before the class of a stage; see ``recompute``."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Take and return what the stage does."""
        forward = super().forward
        if not (self.training and torch.is_grad_enabled()):
            return forward(*args, **kwargs)
        # Tensors go in singly, so that one that is changed meanwhile is noticed; each pass gets
        # lists of its own, which it may fill with other maps (timm's HRNet does).
        tensors, form = tree_flatten((args, kwargs))

        def run(*tensors: Any) -> Any:
            args, kwargs = tree_unflatten(tensors, form)
            return forward(*args, **kwargs)

        if torch.compiler.is_compiling():  # it keeps the second pass from counting by itself
            return checkpoint(run, *tensors, use_reentrant=False)
        contexts = partial(_contexts, self)
        return checkpoint(run, *tensors, use_reentrant=False, context_fn=contexts)


@cache
def _recomputed(kind: type[nn.Module]) -> type[nn.Module]:
    return type(kind.__name__, (Recomputed, kind), {"__doc__": kind.__doc__})


def _contexts(stage: nn.Module) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Return what surrounds the first and the second pass."""
    return nullcontext(), _CopiedBuffers(stage)


class _CopiedBuffers(AbstractContextManager[None]):
    """Lets modules in training change copies of their buffers; the buffers themselves stay.

    It may be entered several times: a graph that is kept can be differentiated again.
    """

    def __init__(self, stage: nn.Module) -> None:
        self._stage = stage
        self._kept: list[tuple[nn.Module, dict[str, Tensor | None]]] = []

    def __enter__(self) -> None:
        training = [part for part in self._stage.modules() if part.training and part._buffers]
        self._kept = [(part, dict(part._buffers)) for part in training]
        for part, buffers in self._kept:
            for name, own in buffers.items():
                part._buffers[name] = None if own is None else own.clone()

    def __exit__(self, *_: object) -> None:
        for part, buffers in self._kept:
            part._buffers.update(buffers)
        self._kept = []
