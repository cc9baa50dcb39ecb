"""Where every value of a configuration comes from, and what differs between two of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from lib.config.legacy import ALIASES, flatten
from lib.config.loader import config_layers, load_config
from lib.config.stretch import POINTS

DEFAULT = "default"
_LISTS = ("DATASET.MIX", "DATASET.STAGES")  # lists of nodes: a tree there changes entries
# Values that follow from other keys, too: key -> key.
_DERIVED = {
    "MODEL.NUM_JOINTS": "DATASET.WITH_CENTER",
    "DATASET.NUM_JOINTS": "DATASET.WITH_CENTER",
    "MODEL.EXTRA.WITH_AE_LOSS": "LOSS.WITH_AE_LOSS",
    "DATASET.DATASET": "DATASET.MIX",
    **dict.fromkeys((*POINTS, "TRAIN.STRETCH"), "TRAIN.STRETCH"),
    **dict.fromkeys(
        ("DATASET.ROOT", "MODEL.PRETRAINED", "TRAIN.TEACHER", "TEST.MODEL_FILE", "DATA_DIR"),
        "DATA_DIR",
    ),
}


@dataclass(frozen=True)
class Value:
    """A value of the resolved tree.

    Attributes:
        value: as the programs read it.
        source: file it was last written in, ``command line``, or ``default``.
        written: key that stands there, where that is an older spelling; else empty.
    """

    value: Any
    source: str
    written: str = ""

    def __str__(self) -> str:
        """Return the source in words."""
        return f"{self.source}, as {self.written}" if self.written else self.source


def resolved_values(path: str | Path, overrides: Sequence[str] = ()) -> dict[str, Value]:
    """Return every key of a configuration by its path, with its value and where that comes from.

    Args:
        path: YAML file, or run folder.
        overrides: as those of ``load_config``.

    Raises:
        ConfigError: as ``load_config``.
    """
    file = config_file(path)
    values = flat_values(load_config(file, overrides))
    sources: dict[str, tuple[str, str]] = {}
    for source, tree in config_layers(file, overrides):
        source = os.path.relpath(source) if Path(source).is_file() else source
        for key, written in _keys_of(tree).items():
            if key in values:  # not a dropped key, and not a node without keys
                sources[key] = source, "" if written == key else written
    for key, other in _DERIVED.items():
        if other in sources and key in values and key != other:
            sources[key] = f"{sources[key][0]} and {other}" if key in sources else other, ""
    return {key: Value(v, *sources.get(key, (DEFAULT, ""))) for key, v in values.items()}


def config_file(path: str | Path) -> Path:
    """Return the YAML file of a configuration: a run folder's own, or the file itself."""
    path = Path(path)
    return path / "config.yaml" if path.is_dir() else path


def flat_values(cfg: CfgNode) -> dict[str, Any]:
    """Return the values of a tree by their paths; tuples as lists, as YAML has them."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in flatten(cfg).items()}


def differences(first: dict[str, Any], second: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the keys whose values differ, with both; None stands for a key that is not there."""
    return {
        key: (first.get(key), second.get(key))
        for key in sorted({*first, *second})
        if first.get(key) != second.get(key)
    }


def _keys_of(tree: dict[str, Any]) -> dict[str, str]:
    """Return the keys of a layer in today's spelling, each with the one that stands there."""
    found = {}
    for written in flatten(tree):
        key = next((name for name in _LISTS if written.startswith(f"{name}.")), written)
        found[ALIASES.get(key, key)] = key
    return found
