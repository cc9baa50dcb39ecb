"""Patterns of parameter names in a configuration.

``backbone`` means all below it, ``backbone.layer[12]`` and ``*.bn?`` are read like file names, and
``*`` crosses dots.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from torch import nn

from lib.utils.errors import ConfigError, did_you_mean


def matches(name: str, pattern: str) -> bool:
    """Return whether ``pattern`` means the parameter or module, or something that holds it."""
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")


def matches_any(name: str, patterns: Iterable[str]) -> bool:
    """Return whether one of the patterns does."""
    return any(matches(name, pattern) for pattern in patterns)


def check_patterns(network: nn.Module, patterns: Iterable[str], key: str) -> None:
    """Refuse patterns that mean no parameter.

    Args:
        network: unwrapped.
        patterns: as the key holds them.
        key: of the configuration, for the message.

    Raises:
        ConfigError: with the nearest name there is.
    """
    names = [name for name, _ in network.named_parameters()]
    for pattern in patterns:
        if any(matches(name, pattern) for name in names):
            continue
        holders = {part for name in names for part in _holders(name)}
        depth = pattern.count(".")
        near = {part for part in holders if part.count(".") <= depth}
        raise ConfigError(f"{key}: {pattern!r} matches no parameter.{did_you_mean(pattern, near)}")


def _holders(name: str) -> Iterable[str]:
    parts = name.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts) + 1))
