"""YAML files -> nested keys, each value beside the text that stands there.

YAML 1.1 reads ``on`` as true and ``0123`` as 83. A key that wants a text gets it as written, so
values keep both forms until the type of their key is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

BAD_YAML = (yaml.YAMLError, ValueError, RecursionError)  # what reading a document may raise

MOST_VALUES = 100_000  # of a document, those counted again that an alias repeats
_MERGE = "tag:yaml.org,2002:merge"
_Pairs = dict[str, yaml.Node]


@dataclass(frozen=True)
class Written:
    """A value that YAML does not read as a text.

    Attributes:
        value: what YAML reads.
        text: what stands there.
    """

    value: Any
    text: str

    def __repr__(self) -> str:
        """Return the value's; messages show it."""
        return repr(self.value)


def plain(value: Any) -> Any:
    """Return ``value`` with what YAML reads in place of every ``Written``."""
    if isinstance(value, Written):
        return value.value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def read_document(text: str) -> Any:
    """Return what a YAML text holds: dicts with text keys, lists, texts, None and ``Written``.

    Raises:
        yaml.YAMLError: it is not YAML, gives a key twice, holds itself by an alias, or has too many
            values.
        ValueError: it holds a number that is none (``0b_``).
        RecursionError: it is nested without end.
    """
    return yaml.load(text, _Loader)


def read_word(text: str) -> Any:
    """Return the value of an override: a tree in braces, a text, None, or ``Written``.

    A word that is not YAML is a text.
    """
    try:
        value = read_document(text)
    except BAD_YAML:
        return text
    if isinstance(value, dict) and text.lstrip().startswith("{"):
        return value
    if isinstance(value, dict | list):
        return Written(plain(value), text)
    if isinstance(value, str):
        return value if text.lstrip().startswith(("'", '"')) else text
    return value


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


class _Loader(yaml.SafeLoader):
    """Keeps the text of typed scalars; refuses what PyYAML lets pass in silence."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._values: dict[yaml.Node, int] = {}  # of each node, with those that aliases repeat
        self._pairs: dict[yaml.Node, _Pairs] = {}  # of each mapping, with those of its merges

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Read a node; an alias of a node that is still being read would hold itself."""
        start = self.peek_event().start_mark
        node = super().compose_node(parent, index)
        if node is None:
            return None
        if node.end_mark is None:
            raise ComposerError(None, None, "an alias stands inside its own anchor", start)
        self._values[node] = 1 + sum(self._values[child] for child in _children(node))
        if self._values[node] > MOST_VALUES:
            problem = f"with its aliases it has more than {MOST_VALUES} values"
            raise ComposerError(None, None, problem, start)
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Read a mapping, in which every key may stand once."""
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ComposerError(None, None, "a key must be a name", key.start_mark)
            if key.value in seen:
                problem = f"the key {key.value} occurs twice"
                raise ComposerError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = True) -> dict[Any, Any]:
        """Return a dict whose keys are texts, whatever YAML would read (``on: 1``)."""
        if not isinstance(node, yaml.MappingNode):  # a list that is tagged !!map
            raise ConstructorError(None, None, "a mapping is wanted here", node.start_mark)
        pairs = self._merged(node)
        return {key: self.construct_object(value, deep=deep) for key, value in pairs.items()}

    def _merged(self, node: yaml.MappingNode) -> _Pairs:
        """Return the keys of a mapping and of those that ``<<`` names, which its own replace.

        Of several mappings that one ``<<`` names the first that has a key counts. PyYAML does the
        same by changing the mapping, so that what a mapping that names this one gets depends on
        PyYAML's version.
        """
        if node not in self._pairs:
            merged: _Pairs = {}
            own: _Pairs = {}
            for key, value in node.value:
                if key.tag != _MERGE:
                    own[key.value] = value
                    continue
                for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    if not isinstance(source, yaml.MappingNode):
                        problem = "<< needs a mapping or a list of mappings"
                        raise ConstructorError(None, None, problem, source.start_mark)
                    merged = {**self._merged(source), **merged}
            self._pairs[node] = {**merged, **own}
        return self._pairs[node]

    def construct_written(self, node: yaml.ScalarNode) -> Written:
        """Return value and text of a scalar."""
        text = self.construct_scalar(node)  # refuses a list that is tagged !!int
        return Written(yaml.safe_load(text), text)


for _kind in ("bool", "int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _Loader.construct_written)
for _kind in ("timestamp", "merge", "value"):  # 2020-01-02, and << and = where they are values
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", yaml.SafeLoader.construct_yaml_str)
