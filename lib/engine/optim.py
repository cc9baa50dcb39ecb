"""Optimisers, with rates and weight decay where the recipes want them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import cast

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import SGD, Adam, AdamW, Optimizer
from yacs.config import CfgNode

from lib.config.coerce import coerce
from lib.engine.patterns import check_patterns, matches
from lib.utils.errors import ConfigError

_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm)


def scaled_rate(cfg: CfgNode, batch: int) -> float:
    """Return ``TRAIN.LR``, scaled by ``LR_RULE`` from ``LR_BATCH`` to a batch.

    ``linear``: in proportion (Goyal et al. 2017, for SGD); ``sqrt``: with the square root
    (Krizhevsky 2014; Malladi et al. 2022, for Adam).

    Args:
        cfg: the complete tree.
        batch: samples per optimiser step, of all processes.
    """
    train = cfg.TRAIN
    power = {"none": 0.0, "linear": 1.0, "sqrt": 0.5}[train.LR_RULE]
    return train.LR * (batch / train.LR_BATCH) ** power if power else train.LR


def build_optimizer(cfg: CfgNode, network: nn.Module, rate: float | None = None) -> Optimizer:
    """Read ``TRAIN.OPTIMIZER``, ``LR*``, ``LAYER_DECAY`` and ``*WD*``; what is frozen is left out.

    The lineage builds Adam with the learning rate only, whatever ``WD`` says; ``ADAM_WD`` keeps
    that. Names that a module lists in ``no_weight_decay()`` (relative to itself) never decay.

    Args:
        cfg: the complete tree.
        network: the unwrapped network.
        rate: base learning rate, see `scaled_rate`; None takes ``TRAIN.LR``.
    """
    train = cfg.TRAIN
    rate = train.LR if rate is None else rate
    decay = train.ADAM_WD if train.OPTIMIZER == "adam" else train.WD
    groups = parameter_groups(
        network,
        decay=decay,
        norm_decay=decay if train.WD_NORM < 0 else train.WD_NORM,
        bias_decay=decay if train.WD_BIAS < 0 else train.WD_BIAS,
        factors=rate_factors(network, train.LR_MULT, train.LAYER_DECAY),
    )
    for group in groups:
        group["lr"] = rate * group.pop("factor")
    fused = True if groups[0]["params"][0].is_cuda else None  # one kernel for all parameters
    if train.OPTIMIZER == "sgd":
        optimizer: Optimizer = SGD(
            groups, lr=rate, momentum=train.MOMENTUM, nesterov=train.NESTEROV, fused=fused
        )
    else:
        kind = AdamW if train.OPTIMIZER == "adamw" else Adam
        optimizer = kind(groups, lr=rate, fused=fused)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer


def parameter_groups(
    network: nn.Module,
    *,
    decay: float,
    norm_decay: float,
    bias_decay: float,
    factors: Mapping[str, float],
) -> list[dict]:
    """Return the trainable parameters by rate and decay, in the order of ``named_parameters``.

    Args:
        network: the unwrapped network.
        decay: weight decay of weights.
        norm_decay: weight decay of the scales and shifts of normalisation layers.
        bias_decay: weight decay of all other biases.
        factors: on the learning rate, by name of parameter; 1 for others.

    Returns:
        Groups with ``params``, ``weight_decay`` and ``factor``.

    Raises:
        ValueError: no parameter is trainable.
    """
    decays = dict.fromkeys(_bias_names(network), bias_decay)
    decays |= dict.fromkeys(_norm_names(network), norm_decay)
    decays |= dict.fromkeys(_exempt_names(network), 0.0)
    groups: dict[tuple[float, float], dict] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        key = decays.get(name, decay), factors.get(name, 1.0)
        group = groups.setdefault(key, {"params": [], "weight_decay": key[0], "factor": key[1]})
        group["params"].append(parameter)
    if not groups:
        raise ValueError("the network has no trainable parameter")
    return list(groups.values())


def rate_factors(
    network: nn.Module, multipliers: Mapping[str, float], layer_decay: float
) -> dict[str, float]:
    """Return each parameter's factor on the learning rate; the two forms multiply.

    Args:
        network: the unwrapped network.
        multipliers: by pattern of names (see ``patterns``); where several match, all count.
        layer_decay: r; layer n of the backbone's N learns r^(N - n) times as fast as what follows
            it (Bao et al., BEiT, ICLR 2022).

    Raises:
        ConfigError: a pattern matches nothing, a factor is no number of at least 0, or the
            backbone has no numbered layers.
    """
    factors = {pattern: _factor(pattern, value) for pattern, value in multipliers.items()}
    check_patterns(network, factors, "TRAIN.LR_MULT")
    depths = {} if layer_decay == 1.0 else _depths(network)
    return {
        name: layer_decay ** depths.get(name, 0)
        * prod(value for pattern, value in factors.items() if matches(name, pattern))
        for name, _ in network.named_parameters()
    }


def _factor(pattern: str, value: object) -> float:
    try:
        factor = coerce(value, 0.0)
    except ValueError:
        factor = -1.0
    if factor < 0:
        raise ConfigError(
            f"TRAIN.LR_MULT: the factor of {pattern!r} must be a number of at least 0, got "
            f"{value!r}."
        )
    return factor


def describe_groups(optimizer: Optimizer) -> str:
    """Return kind and base rate, and the groups: in one line, or one each if there are many."""
    base = optimizer.defaults["lr"]
    parts = [_describe_group(group, base) for group in optimizer.param_groups]
    between = "; " if len(parts) < 3 else f"\n{'':13}"
    return f"{type(optimizer).__name__} at {base:g}:{' ' if len(parts) < 3 else between}" + (
        between.join(parts)
    )


def _describe_group(group: dict, base: float) -> str:
    count, values = len(group["params"]), sum(p.numel() for p in group["params"])
    rate = "" if group["initial_lr"] == base else f" at {group['initial_lr']:.4g}"
    return f"{count} tensors ({values:,} values){rate} with decay {group['weight_decay']:g}"


def _depths(network: nn.Module) -> dict[str, int]:
    """Return how many layers of the backbone lie between each of its parameters and the head."""
    backbone = getattr(network, "backbone", None)
    if not isinstance(backbone, nn.Module) or not hasattr(backbone, "layer_id"):
        raise ConfigError(
            "TRAIN.LAYER_DECAY needs a backbone with numbered layers (num_layers and layer_id), "
            f"{type(backbone).__name__} has none; ViT and timm's trunks have, or give rates with "
            "TRAIN.LR_MULT."
        )
    last, layer_id = cast(int, backbone.num_layers), cast(Callable[[str], int], backbone.layer_id)
    return {f"backbone.{n}": last - layer_id(n) for n, _ in backbone.named_parameters()}


def _bias_names(network: nn.Module) -> Iterable[str]:
    return (name for name, _ in network.named_parameters() if name.split(".")[-1] == "bias")


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
