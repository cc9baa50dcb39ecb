"""Losses that ``LOSS.NAME`` puts in the place of a codec's own, from a user's own modules.

Such a loss takes what the codec's own takes::

    @LOSSES.register("wing")
    @loss(WIDTH=0.1)
    def wing(output: Output, targets: Any, weights: Tensor, *, width: float) -> Tensor: ...

``output`` is what the network answers, ``targets`` and ``weights`` (N, K) are what the codec's
``encode`` made; the result is a scalar, or several by name, which are added up. Among the names
``SAMPLES`` of ``lib.utils.losses`` may tell what each person alone would lose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from yacs.config import CfgNode

from lib.utils.errors import ConfigError, UserError
from lib.utils.losses import SAMPLES
from lib.utils.plugins import failure
from lib.utils.registry import Registry


@dataclass(frozen=True)
class Loss:
    """One way of comparing outputs with targets.

    Attributes:
        compute: gives the scalar, or scalars by name; its keywords are the options in lower case.
        options: schema of ``LOSS.OPTIONS``: names, types and defaults.
    """

    compute: Callable[..., Any]
    options: CfgNode = field(default_factory=CfgNode)


LOSSES: Registry[Loss] = Registry(
    "LOSS.NAME", Loss, ": write @loss(), with its options, between name and function"
)


def own_loss(compute: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return what a user's loss gives: a scalar tensor, or such by name.

    Args:
        compute: the loss.
        arguments: output, targets and weights (N, K).
        options: its settings.

    Raises:
        ConfigError: it fails, or gives something else.
    """
    import torch

    try:
        found = compute(*arguments, **options)
    except (UserError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a user's code may raise anything
        raise ConfigError(f"LOSS.NAME: {failure(error, compute)}.") from error
    named = found if isinstance(found, dict) else {"": found}
    parts = [part for name, part in named.items() if name != SAMPLES]
    if not parts or not all(isinstance(part, torch.Tensor) and part.ndim == 0 for part in parts):
        given = [tuple(p.shape) if isinstance(p, torch.Tensor) else type(p).__name__ for p in parts]
        raise ConfigError(
            f"LOSS.NAME: {compute.__name__} must give a scalar tensor, or several by name, got "
            f"{given}."
        )
    _check_samples(named.get(SAMPLES), len(arguments[2]), compute.__name__)
    return found


def _check_samples(found: Any, people: int, name: str) -> None:
    """Refuse losses of single people in another form than (N,).

    Raises:
        ConfigError: they have one.
    """
    shape = getattr(found, "shape", None)
    if found is not None and (shape is None or tuple(shape) != (people,)):
        raise ConfigError(
            f"LOSS.NAME: {name} must give {SAMPLES} as a tensor with one number per person, "
            f"{people} of them, got {type(found).__name__ if shape is None else tuple(shape)}."
        )


def loss(**options: Any) -> Callable[[Callable[..., Any]], Loss]:
    """Return a decorator that makes a ``Loss`` of a function; keywords are its options."""
    return lambda compute: Loss(compute, CfgNode(options))
