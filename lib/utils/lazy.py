"""Names that a package offers, imported when somebody asks for them (PEP 562).

A package's ``__init__`` names them for readers and type checkers, and this module for Python::

    if TYPE_CHECKING:
        from lib.tasks.build import build_task

    __all__ = ["build_task"]
    __getattr__ = lazy_names(__name__, {"build_task": "lib.tasks.build"})

So ``import lib.tasks.splits`` does not pay for what ``build_task`` needs. Not for a name that a
module of the package has, too: Python would give the module once it is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of ``package``.

    Args:
        package: its ``__name__``.
        homes: name -> the module that defines it.

    Raises:
        ValueError: a module of the package has the name, too.
    """
    for name, home in homes.items():
        if home == f"{package}.{name}":
            raise ValueError(f"{package}.{name} is a module: it hides the name in it")

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return get
