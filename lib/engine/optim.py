"""Optimisers, with weight decay where the recipes want it."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import SGD, Adam, AdamW, Optimizer
from yacs.config import CfgNode

_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm)


def build_optimizer(cfg: CfgNode, network: nn.Module) -> Optimizer:
    """Read ``TRAIN.OPTIMIZER``, ``LR`` and the ``*WD*`` keys; frozen parameters are left out.

    The lineage builds Adam with the learning rate only, whatever ``WD`` says; ``ADAM_WD`` keeps
    that. Names that a module lists in ``no_weight_decay()`` (relative to itself) never decay.
    """
    train = cfg.TRAIN
    decay = train.ADAM_WD if train.OPTIMIZER == "adam" else train.WD
    norm_decay = decay if train.WD_NORM < 0 else train.WD_NORM
    groups = parameter_groups(network, decay=decay, norm_decay=norm_decay)
    fused = True if groups[0]["params"][0].is_cuda else None  # one kernel for all parameters
    if train.OPTIMIZER == "sgd":
        optimizer: Optimizer = SGD(
            groups, lr=train.LR, momentum=train.MOMENTUM, nesterov=train.NESTEROV, fused=fused
        )
    else:
        kind = AdamW if train.OPTIMIZER == "adamw" else Adam
        optimizer = kind(groups, lr=train.LR, fused=fused)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer


def parameter_groups(network: nn.Module, *, decay: float, norm_decay: float) -> list[dict]:
    """Return the trainable parameters by weight decay, in the order of ``named_parameters``.

    Args:
        network: the unwrapped network.
        decay: weight decay of weights and biases.
        norm_decay: weight decay of the scales and shifts of normalisation layers.

    Raises:
        ValueError: no parameter is trainable.
    """
    exempt, norms = set(_exempt_names(network)), set(_norm_names(network))
    groups: dict[float, dict] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        value = 0.0 if name in exempt else norm_decay if name in norms else decay
        group = groups.setdefault(value, {"params": [], "weight_decay": value})
        group["params"].append(parameter)
    if not groups:
        raise ValueError("the network has no trainable parameter")
    return list(groups.values())


def describe_groups(optimizer: Optimizer) -> str:
    """Return one line: kind, base rate, and the sizes of the groups."""
    parts = [
        f"{len(group['params'])} tensors ({sum(p.numel() for p in group['params']):,} values) "
        f"with decay {group['weight_decay']:g}"
        for group in optimizer.param_groups
    ]
    rate = optimizer.param_groups[0]["initial_lr"]
    return f"{type(optimizer).__name__} at {rate:g}: {'; '.join(parts)}"


def _exempt_names(network: nn.Module) -> Iterable[str]:
    for prefix, module in network.named_modules():
        listed = getattr(module, "no_weight_decay", None)
        if callable(listed):
            yield from (_join(prefix, str(name)) for name in listed())  # pyright: ignore[reportGeneralTypeIssues]


def _norm_names(network: nn.Module) -> Iterable[str]:
    for prefix, module in network.named_modules():
        if isinstance(module, _NORMS):
            yield from (_join(prefix, name) for name, _ in module.named_parameters(recurse=False))


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
