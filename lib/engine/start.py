"""What a fresh training starts from."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from yacs.config import CfgNode

from lib.models import load_pretrained

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn


def pretrained(cfg: CfgNode) -> Callable[[nn.Module], object] | None:
    """Return what loads ``MODEL.PRETRAINED`` into a network, None for a start from scratch."""
    if not cfg.MODEL.PRETRAINED:
        return None
    layers = cfg.MODEL.EXTRA.get("PRETRAINED_LAYERS", ["*"])
    return partial(load_pretrained, path_or_dict=cfg.MODEL.PRETRAINED, layers=layers)
