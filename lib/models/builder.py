"""From configuration to network."""

from __future__ import annotations

from torch import nn
from yacs.config import CfgNode

from lib.models.recipes import RECIPES


def build_model(cfg: CfgNode) -> nn.Module:
    """Return the network that ``MODEL`` describes, initialised, without checkpoint weights.

    It is built where the caller's device context says (``with torch.device("meta")`` allocates
    nothing), and carries ``key_map``, the way between official checkpoint names and its own.

    Raises:
        ConfigError: ``MODEL`` names or sizes something that does not exist.
    """
    recipe = RECIPES[cfg.MODEL.NAME]
    network = recipe.build(cfg.MODEL)
    network.key_map = recipe.key_map  # type: ignore[assignment]
    return network
