"""Names of YAML files -> parts, with errors that list what is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar, cast

from lib.utils.errors import ConfigError, did_you_mean

T = TypeVar("T")
E = TypeVar("E")  # the entry itself: a decorated class keeps its own type


class Registry(Generic[T]):
    """A dictionary of named things of one kind."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[E], E]:
        """Return a decorator that files its argument under ``name``."""

        def add(entry: E) -> E:
            if name in self._entries:
                raise ValueError(f"{self.kind} '{name}' is registered twice")
            self._entries[name] = cast("T", entry)
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
