"""Layers of timm's networks, counted from the image on, for layer-wise learning rates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from lib.utils.errors import ConfigError


def layer_numbers(name: str, parameters: Iterable[str]) -> list[int]:
    """Return the number of the layer of each parameter of a trunk, from 0 without gaps.

    The groups are those of timm's ``param_groups_layer_decay``. What timm trains together with the
    classifier (the last convolution of some networks) belongs to the last layer here.

    Args:
        name: timm's, of the network.
        parameters: timm's names of those that the trunk has.

    Raises:
        ConfigError: timm does not number the layers of this network.
    """
    import timm
    from timm.models import group_parameters

    with torch.device("meta"):
        whole: Any = timm.create_model(name)
    if not hasattr(whole, "group_matcher"):
        raise ConfigError(
            f"TRAIN.LAYER_DECAY: timm does not number the layers of {name}; give rates with "
            "TRAIN.LR_MULT."
        )
    groups: Any = group_parameters(whole, whole.group_matcher(coarse=False), reverse=True)
    behind = max(groups.values())  # the classifier
    known: list[int] = [groups.get(parameter, behind) for parameter in parameters]
    numbers = {group: n for n, group in enumerate(sorted({*known} - {behind}))}
    last = max(len(numbers) - 1, 0)
    return [numbers.get(group, last) for group in known]
