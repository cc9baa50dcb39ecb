"""Whether what a head gives is what the codec reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from yacs.config import CfgNode

from lib.codecs import CODECS
from lib.utils.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn


def check_fit(model: CfgNode, head: nn.Module | type[nn.Module]) -> None:
    """Compare what a head gives with what the codec of ``MODEL`` reads.

    Args:
        model: the ``MODEL`` node.
        head: with ``gives``; a class, if it is not built yet.

    Raises:
        ConfigError: they do not fit.
    """
    gives: Any = head.gives  # type: ignore[union-attr]
    reads = CODECS[model.TARGET_TYPE].reads
    if gives != reads:
        fitting = [name for name in CODECS if CODECS[name].reads == gives]
        kind = head if isinstance(head, type) else type(head)
        raise ConfigError(
            f"MODEL.TARGET_TYPE '{model.TARGET_TYPE}' reads {reads}, but the head of "
            f"{model.NAME} ({kind.__name__}) gives {gives}: set MODEL.TARGET_TYPE to "
            f"{' or '.join(fitting) or 'a codec that reads them'}, or take a head that gives "
            f"{reads}."
        )


def codec_arguments(model: CfgNode, head: type[nn.Module]) -> dict[str, Any]:
    """Return what the codec of ``MODEL`` wants a head of this class to be told.

    Raises:
        ConfigError: they do not fit.
    """
    check_fit(model, head)
    return CODECS[model.TARGET_TYPE].head_arguments(model)
