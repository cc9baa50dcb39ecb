"""Stages that compute their activations twice, so that a training needs less memory."""

from __future__ import annotations

from torch import nn
from yacs.config import CfgNode

from lib.engine.patterns import matches, matches_any
from lib.models.recompute import Recomputed, recompute, stages
from lib.utils.errors import ConfigError, did_you_mean

KEY = "TRAIN.RECOMPUTE"


def recompute_stages(cfg: CfgNode, network: nn.Module) -> None:
    """Read ``TRAIN.RECOMPUTE``; losses, gradients and statistics stay the same.

    Args:
        cfg: the complete tree.
        network: unwrapped; changed in place.

    Raises:
        ConfigError: a pattern means no stage, with the nearest one there is.
    """
    patterns = cfg.TRAIN.RECOMPUTE
    known = stages(network) if patterns else {}
    for pattern in patterns:
        if not any(matches(name, pattern) for name in known):
            raise ConfigError(f"{KEY}: {_complaint(pattern, list(known))}")
    for name, stage in known.items():
        if matches_any(name, patterns):
            recompute(stage)


def _complaint(pattern: str, known: list[str]) -> str:
    if not known:
        return (
            "the parts of this network name no stages; a part of your own names them as "
            "'recomputable', see lib/models/registry.py."
        )
    parts = {name.rsplit(".", level)[0] for name in known for level in range(name.count(".") + 1)}
    return (
        f"{pattern!r} means none of the network's {len(known)} stages, {known[0]} to {known[-1]}."
        f"{did_you_mean(pattern, parts)}"
    )


def describe_recomputed(network: nn.Module) -> str:
    """Return which stages keep no activations, those of one part together."""
    names = [name for name, part in network.named_modules() if isinstance(part, Recomputed)]
    if not names:
        return "nothing"
    parts = dict.fromkeys(".".join(name.split(".")[:2]) for name in names)
    return f"{len(names)} stage(s), of {', '.join(parts)}"
