"""What a fresh training starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yacs.config import CfgNode

from lib.models import load_pretrained

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from lib.tasks.base import Task


def pretrained(cfg: CfgNode, task: Task) -> Callable[[nn.Module], object] | None:
    """Return what loads ``MODEL.PRETRAINED`` into a network, None for a start from scratch.

    Joints of the task that the file knows by name keep their part of the head.
    """
    if not cfg.MODEL.PRETRAINED:
        return None
    layers = cfg.MODEL.EXTRA.get("PRETRAINED_LAYERS", ["*"])

    def load(network: nn.Module) -> object:
        joints = task.skeleton.joints
        return load_pretrained(network, cfg.MODEL.PRETRAINED, layers, joints)

    return load
