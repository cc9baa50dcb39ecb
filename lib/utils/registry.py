"""Names of YAML files -> parts, with errors that list what is known."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar, cast

from lib.utils.errors import ConfigError, did_you_mean

T = TypeVar("T")
E = TypeVar("E")  # the entry itself: a decorated class keeps its own type


class Registry(Generic[T]):
    """A dictionary of named things of one kind.

    Args:
        kind: what they are, for messages.
        wants: class that they are instances, or subclasses, of; None takes everything.
        advice: how to make one, for who registers something else.
    """

    def __init__(self, kind: str, wants: type | None = None, advice: str = "") -> None:
        self.kind = kind
        self._wants, self._advice = wants, advice
        self._entries: dict[str, T] = {}
        self._scopes: dict[str, dict[str, Any]] = {}  # names of the module that registered each

    def register(self, name: str) -> Callable[[E], E]:
        """Return a decorator that files its argument under ``name``.

        What a module registered before its import failed makes room for others.
        """
        scope = sys._getframe(1).f_globals

        def add(entry: E) -> E:
            if name in self._entries and not _is_gone(self._scopes.get(name, {})):
                where = self._scopes.get(name, {}).get("__file__")
                by = f" by {where}" if where else ""
                raise ValueError(f"{self.kind} '{name}' is taken{by}; choose another name")
            own = entry if isinstance(entry, type) else type(entry)
            if self._wants is not None and not issubclass(own, self._wants):
                raise TypeError(f"{self.kind} '{name}' is no {self._wants.__name__}{self._advice}")
            self._entries[name] = cast("T", entry)
            self._scopes[name] = scope
            return entry

        return add

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            raise ConfigError(f"No {self.kind} '{name}'.{did_you_mean(name, self._entries)}")
        return self._entries[name]

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))


def _is_gone(scope: dict[str, Any]) -> bool:
    """Return whether a module's import has failed, or it was imported anew."""
    name = scope.get("__name__")
    return name is not None and getattr(sys.modules.get(name), "__dict__", None) is not scope
