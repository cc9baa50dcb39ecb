"""``IMPORTS``: where a user's own parts are, made absolute while the file that says so is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lib.config.coerce import coerce
from lib.config.document import plain
from lib.utils.errors import ConfigError
from lib.utils.files import at_home

KEY = "IMPORTS"


def place_imports(tree: dict[str, Any], folder: Path, source: str) -> None:
    """Make paths in ``IMPORTS`` of a layer absolute, in place.

    Args:
        tree: the layer.
        folder: that paths are relative to.
        source: where the layer comes from, for messages.

    Raises:
        ConfigError: it is no list of texts.
    """
    if KEY not in tree:
        return
    given = plain(tree[KEY])
    entries = coerce(given, []) if given is not None else []
    if not all(isinstance(entry, str) and entry for entry in entries):
        raise ConfigError(
            f"{source}: {KEY} must be names of modules or paths of .py files, got {given!r}."
        )
    tree[KEY] = [_placed(entry, folder) for entry in entries]


def refuse_imports(tree: dict[str, Any], source: str) -> None:
    """Refuse to run what the text in a model card names: the card may be anybody's.

    Raises:
        ConfigError: it names something.
    """
    entries = plain(tree.get(KEY))
    if entries:
        listed = f"[{', '.join(map(str, entries))}]" if isinstance(entries, list) else entries
        raise ConfigError(
            f"{source} asks for code of its own, {KEY} {listed}; if you trust it, say so by adding "
            f"{KEY} '{listed}' with where it is on this machine."
        )


def _placed(entry: str, folder: Path) -> str:
    if not entry.endswith(".py"):
        return entry
    return str((folder / at_home(entry)).resolve())
