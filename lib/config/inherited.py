"""Nodes whose keys depend on another key: what a base wrote for one model, another leaves out."""

from __future__ import annotations

import logging
from typing import Any

from yacs.config import CfgNode

from lib.config.document import plain
from lib.config.legacy import flatten

logger = logging.getLogger(__name__)

Layer = tuple[str, dict[str, Any]]  # where it comes from, nested keys as read
# Node -> the key that says what is in it.
OPEN_NODES = {
    "MODEL.EXTRA": "MODEL.NAME",
    "MODEL.CODEC": "MODEL.TARGET_TYPE",
    "LOSS.OPTIONS": "LOSS.NAME",
}


class OpenNodes:
    """Collects what the layers say of such nodes, each beside the name that held when it did."""

    def __init__(self) -> None:
        self._layers: dict[str, list[tuple[str, Layer]]] = {node: [] for node in OPEN_NODES}
        self._names = dict.fromkeys(OPEN_NODES, "")

    def take(self, tree: dict[str, Any], source: str) -> None:
        """Take the nodes out of a layer."""
        for open_node, selector in OPEN_NODES.items():
            section, _, name = open_node.partition(".")
            node = tree.get(section)
            if not isinstance(node, dict):
                continue
            given = node.get(selector.partition(".")[2])
            self._names[open_node] = str(plain(given)) if given else self._names[open_node]
            if name in node:
                layer = (source, node.pop(name) or {})
                self._layers[open_node].append((self._names[open_node], layer))

    def layers(self, open_node: str, chosen: str, schema: CfgNode) -> list[Layer]:
        """Return what the layers say of a node.

        Of a layer that was written for another than ``chosen`` only what ``schema`` knows counts:
        so a file may name another model than its base does.
        """
        found = []
        for name, (source, tree) in self._layers[open_node]:
            if name not in ("", chosen) and isinstance(tree, dict):
                kept = _known(tree, schema)
                gone = sorted(flatten(tree).keys() - flatten(kept).keys())
                if gone:
                    of = f"{chosen} has not" if chosen else "nothing has now"
                    logger.warning(
                        "%s: left out of %s, as %s: %s", source, open_node, of, ", ".join(gone)
                    )
                tree = kept
            found.append((source, tree))
        return found


def _known(tree: dict[str, Any], schema: CfgNode) -> dict[str, Any]:
    if schema.is_new_allowed():
        return tree
    return {
        key: _known(value, schema[key])
        if isinstance(value, dict) and isinstance(schema[key], CfgNode)
        else value
        for key, value in tree.items()
        if key in schema
    }
