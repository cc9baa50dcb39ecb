"""What may vary in a sweep: values to choose from, and ranges of numbers.

Every value stays the text that an override of the command line would have.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from lib.config.document import BAD_YAML, Written, plain, read_document
from lib.utils.errors import ConfigError

_FORMS = "KEY=A,B,C or KEY=LOW..HIGH or KEY=LOW..HIGH:log"
_KEY = re.compile(r"[A-Za-z]\w*(\.\w+)*")
_RANGE = re.compile(r"([^\s,\[(]+?)\.\.([^\s,\])]+?)(:log)?")
_BOUNDS = {"low", "high", "log"}


@dataclass(frozen=True)
class Choice:
    """One of several texts."""

    texts: tuple[str, ...]

    @property
    def samples(self) -> tuple[str, ...]:
        """All of them."""
        return self.texts


@dataclass(frozen=True)
class Range:
    """A number from ``low`` to ``high``, both included.

    Attributes:
        whole: whether it is an integer, which it is if both ends are.
        log: whether each factor is as likely as any other, instead of each difference.
    """

    low: float
    high: float
    whole: bool = False
    log: bool = False

    def __post_init__(self) -> None:
        """Check the ends."""
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"LOW must be below HIGH, got {self.low:g}..{self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"LOW must be above 0 for log, got {self.low:g}")

    @property
    def samples(self) -> tuple[str, ...]:
        """Both ends."""
        return self.text(self.low), self.text(self.high)

    def at(self, share: float) -> str:
        """Return the number at a share in [0, 1) of the way from ``low`` to ``high``."""
        low, high = self.low, self.high + self.whole  # every integer as likely as any other
        if self.log:
            return self.text(math.exp(math.log(low) + share * math.log(high / low)))
        return self.text(low + share * (high - low))

    def text(self, number: float) -> str:
        """Return a number as an override: six digits are enough for a setting."""
        if self.whole:
            return str(min(math.floor(number + 1e-9), int(self.high)))
        return repr(min(max(float(f"{number:.6g}"), self.low), self.high))


Space = dict[str, Choice | Range]
Settings = dict[str, str]  # key -> text of its value


def read_words(words: Sequence[str]) -> Space:
    """Return what words say: ``KEY=A,B``, ``KEY=LOW..HIGH``, ``KEY=LOW..HIGH:log``; ``KEY VALUE``.

    A single value stands for itself. Commas inside brackets or quotes belong to a value.

    Raises:
        ConfigError: a word is none of these, or a key comes twice.
    """
    space: Space = {}
    queue = list(words)
    while queue:
        key, equals, text = queue.pop(0).partition("=")
        if not equals and queue:
            text = queue.pop(0)
        if not _KEY.fullmatch(key) or not text.strip():
            raise ConfigError(f"--set '{key}{equals}{text}' must be {_FORMS}.")
        if key in space:
            raise ConfigError(f"--set gives {key} twice; give its values once, after commas.")
        space[key] = _of_text(key, text)
    return space


def read_file(path: Path) -> Space:
    """Return what a YAML file says: a list of values or ``{low, high, log}`` for each key.

    Keys may be nested as in an experiment or joined by dots.

    Raises:
        ConfigError: it cannot be read, or something else stands there.
    """
    try:
        tree = read_document(path.read_text(encoding="utf-8-sig"))
    except (*BAD_YAML, OSError) as error:
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict) or not tree:
        raise ConfigError(f"{path} must hold keys, each with a list of values or low and high.")
    return _of_tree(tree, str(path), "")


def words_of(settings: Mapping[str, str]) -> list[str]:
    """Return settings as overrides."""
    return [f"{key}={text}" for key, text in settings.items()]


def corners(space: Space) -> list[Settings]:
    """Return settings in which every value, and both ends of every range, come at least once."""
    columns = zip_longest(*(part.samples for part in space.values()))
    first = [part.samples[0] for part in space.values()]
    return [
        {
            key: start if text is None else text
            for key, text, start in zip(space, row, first, strict=True)
        }
        for row in columns
    ]


def describe(space: Space) -> dict[str, Any]:
    """Return a space as plain values, equal for equal spaces."""
    return {
        key: list(part.texts)
        if isinstance(part, Choice)
        else {"low": part.low, "high": part.high, "whole": part.whole, "log": part.log}
        for key, part in space.items()
    }


def _of_text(key: str, text: str) -> Choice | Range:
    found = _RANGE.fullmatch(text.strip())
    if found is not None:
        return _range(f"--set {key}", found[1], found[2], log=bool(found[3]))
    texts = _split(text)
    if not all(texts):
        raise ConfigError(f"--set {key}: there is nothing between two commas in '{text}'.")
    return _choice(f"--set {key}", texts)


def _split(text: str) -> list[str]:
    """Cut at the commas that stand in no bracket and no quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "," and depth == 0:
            parts.append("")
            continue
        depth += (not quote) * ((letter in "[({") - (letter in "])}"))
        parts[-1] += letter
    return [part.strip() for part in parts]


def _of_tree(tree: dict[str, Any], source: str, prefix: str) -> Space:
    space: Space = {}
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if not _KEY.fullmatch(key):
            raise ConfigError(f"{source}: '{key}' is not a key; write TRAIN.LR: [0.001, 0.0003].")
        if isinstance(value, dict) and value and not set(value) <= _BOUNDS:
            space.update(_of_tree(value, source, f"{key}."))
        elif isinstance(value, dict):
            space[key] = _of_bounds(f"{source}: {key}", value)
        else:
            values = value.value if isinstance(value, Written) else value
            items = values if isinstance(values, list) and values else [value]
            space[key] = _choice(f"{source}: {key}", [_text(item) for item in items])
    return space


def _of_bounds(where: str, node: dict[str, Any]) -> Range:
    if "low" not in node or "high" not in node:
        raise ConfigError(f"{where} must have low and high, got {plain(node)}.")
    log = plain(node.get("log", False))
    if not isinstance(log, bool):
        raise ConfigError(f"{where}: log must be true or false, got {log!r}.")
    return _range(where, _text(node["low"]), _text(node["high"]), log=log)


def _range(where: str, low: str, high: str, *, log: bool) -> Range:
    try:
        ends = float(low), float(high)
        whole = all(re.fullmatch(r"[+-]?\d+", text) for text in (low, high))
        return Range(*ends, whole=whole, log=log)
    except ValueError as error:
        raise ConfigError(f"{where} must be a range of numbers: {error}.") from None


def _choice(where: str, texts: Sequence[str]) -> Choice:
    if len(set(texts)) < len(texts):
        raise ConfigError(f"{where}: a value occurs twice in {', '.join(texts)}.")
    return Choice(tuple(texts))


def _text(value: Any) -> str:
    """Return a value of a YAML file as the text of an override."""
    if isinstance(value, Written) and not isinstance(value.value, list | dict):
        return value.text
    value = plain(value)
    return value if isinstance(value, str) else json.dumps(value)
