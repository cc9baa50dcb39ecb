"""Nested keys as read -> a tree of keys with types; an unknown key is refused by name."""

from __future__ import annotations

from typing import Any

from yacs.config import CfgNode

from lib.config.coerce import coerce
from lib.config.document import plain
from lib.utils.errors import ConfigError, did_you_mean


def merge(node: CfgNode, tree: dict[str, Any], source: str, prefix: str) -> None:
    """Put ``tree`` into ``node``, coercing each value to the type that the key has.

    Args:
        node: every key there is, with its default.
        tree: nested keys as read.
        source: file or command line, for messages.
        prefix: path of ``node`` with its dot, for messages.

    Raises:
        ConfigError: a key is not in ``node``, or its value has another type.
    """
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if key not in node:
            if not node.is_new_allowed():
                raise ConfigError(f"{source}: unknown key {path}.{_nearest(path, node, prefix)}")
            new = plain(value)
            node[key] = CfgNode(new, new_allowed=True) if isinstance(new, dict) else new
        elif isinstance(node[key], CfgNode):
            if value is not None and not isinstance(value, dict):
                raise ConfigError(f"{source}: {path} must hold keys of its own, got {value!r}.")
            merge(node[key], value or {}, source, f"{path}.")
        elif node.is_new_allowed():
            node[key] = plain(value)
        else:
            node[key] = _coerced(value, node[key], source, path)


def _coerced(value: Any, default: Any, source: str, path: str) -> Any:
    try:
        return coerce(value, default)
    except ValueError as wanted:
        raise ConfigError(f"{source}: {path} must be {wanted}, got {value!r}.") from None


def _nearest(path: str, node: CfgNode, prefix: str) -> str:
    return did_you_mean(path, [f"{prefix}{key}" for key in node])
