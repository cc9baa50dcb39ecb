"""What a key means: type, default, bounds, choices, and the comment beside it in the source."""

from __future__ import annotations

import ast
import inspect
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from yacs.config import CfgNode

from lib.config import defaults, photometric
from lib.config.bounds import bounds_of
from lib.config.coerce import wanted
from lib.config.effect import BY_TASK, CONDITIONS, NAMES
from lib.config.legacy import ALIASES, flatten, is_dropped
from lib.config.papers import paper_of
from lib.config.validate import CHOICES
from lib.utils.errors import ConfigError, did_you_mean

_PHOTOMETRIC = "DATASET.PHOTOMETRIC."
MODELS = "lib.models.registry"
PARTS = {
    "MODEL.BACKBONE": ("lib.models.backbones", "BACKBONES"),
    "MODEL.NECK": ("lib.models.necks", "NECKS"),
    "MODEL.HEAD": ("lib.models.heads", "HEADS"),
}


@dataclass(frozen=True)
class Key:
    """A key of a configuration.

    Attributes:
        path: such as ``TRAIN.LR``.
        kind: what a value must be, in words.
        default: where nobody sets it.
        owner: model or codec that has the key, '' if all have it.
        meaning: the comment beside its default.
        bounds: of its numbers, in words.
        choices: all values there are, if they are few.
        tasks: kinds of model that read it; empty for all.
        idle: when it has no effect.
        spellings: older ones that mean it.
        paper: that it comes from.
    """

    path: str
    kind: str
    default: Any
    owner: str = ""
    meaning: str = ""
    bounds: str = ""
    choices: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    paper: str = ""


def find_keys(path: str) -> list[Key]:
    """Return the key of a path, all keys below a node, or a model's of that name.

    Args:
        path: any case; an older spelling, too. Those in ``MODEL.EXTRA`` and ``MODEL.CODEC`` are
            given once for every model and codec that has them.

    Raises:
        ConfigError: there is no such key; the nearest one is named.
    """
    path = path.upper().rstrip(".")
    path = ALIASES.get(path, path)
    known = all_keys()
    found = [part_names(key) for key in known if key.path.upper() == path]
    found = found or [key for key in known if key.path.upper().startswith(f"{path}.")]
    if not found:
        if is_dropped(path) or is_dropped(f"{path}."):
            raise ConfigError(f"{path} is accepted, as older code bases have it, and does nothing.")
        names = sorted({key.path for key in known})
        raise ConfigError(f"There is no key {path}.{did_you_mean(path, names)}")
    return found


def part_names(key: Key) -> Key:
    """Return a key with the names of registered parts as its choices, if it names such parts.

    Parts are imported for that, with PyTorch: not what every question about keys should wait for.
    """
    if key.path not in PARTS:
        return key
    package, registry = PARTS[key.path]
    import_module(package)  # fills the registry
    return replace(key, choices=tuple(getattr(import_module(MODELS), registry)))


@cache
def all_keys() -> tuple[Key, ...]:
    """Return every key there is, in the order of the defaults, then those of models and codecs."""
    keys = [
        _key(path, value, _meanings().get(path, ""))
        for path, value in flatten(defaults.default_config()).items()
    ]
    # By name, at call time: they stand above config, a plain import would point upward.
    for name, recipe in _entries("lib.models.recipes", "RECIPES"):
        module = inspect.getmodule(recipe.build)
        keys += _parts("MODEL.EXTRA", recipe.extra, name, module)
    for name, codec in _entries("lib.codecs", "CODECS"):
        keys += _parts("MODEL.CODEC", codec.options, name, inspect.getmodule(codec))
    return tuple(keys)


def comments_of(source: str) -> dict[str, str]:
    """Return what stands beside the text keys of dictionaries in Python code, by path.

    A comment counts that ends a line of the entry, or, in a sentence of its own (it begins with a
    capital), stands right above it. Assignments to attributes count as entries, too.
    """
    notes = {
        token.start[0]: (token.string.lstrip("# "), token.line.strip().startswith("#"))
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found = {}
    for path, first, last in _entries_of(ast.parse(source), ""):
        beside = [notes[n][0] for n in range(first, last + 1) if n in notes]
        above, line = [], first - 1
        while line in notes and notes[line][1]:
            above.insert(0, notes[line][0])
            line -= 1
        sentence = above if above and above[0][0].isupper() else []
        found[path] = " ".join([*sentence, *beside])
    return found


def _entries_of(node: ast.AST, prefix: str) -> Iterator[tuple[str, int, int]]:
    """Yield path, first and last line of every entry; of one that holds others the first line."""
    if isinstance(node, ast.Dict):
        for name, value in zip(node.keys, node.values, strict=True):
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                path = f"{prefix}{name.value}"
                is_node = isinstance(value, ast.Dict)
                yield path, name.lineno, name.lineno if is_node else value.end_lineno or 0
                yield from _entries_of(value, f"{path}.")
            else:
                yield from _entries_of(value, prefix)
        return
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
        yield f"{prefix}{node.targets[0].attr}", node.lineno, node.end_lineno or node.lineno
    for child in ast.iter_child_nodes(node):
        yield from _entries_of(child, prefix)


@cache
def _meanings() -> dict[str, str]:
    """Return the comments of the keys that every configuration has."""
    tree = ast.parse(inspect.getsource(defaults.default_config))
    makers = {
        f"{step.targets[0].attr}.": step.value.func.id
        for step in ast.walk(tree)
        if isinstance(step, ast.Assign)
        and isinstance(step.targets[0], ast.Attribute)
        and isinstance(step.value, ast.Call)
        and isinstance(step.value.func, ast.Name)
    }
    found = {}
    for prefix, maker in {"": "_run", **makers}.items():
        notes = comments_of(inspect.getsource(getattr(defaults, maker)))
        found.update({f"{prefix}{path}": note for path, note in notes.items()})
    notes = comments_of(inspect.getsource(photometric))
    for name in photometric.RANGES:
        found[f"{_PHOTOMETRIC}{name}.PROB"] = notes["PROB"]
        found[f"{_PHOTOMETRIC}{name}.RANGE"] = f"{notes['RANGE']}: {notes[name]}"
    found[f"{_PHOTOMETRIC}PRESET"] = notes["PRESET"]
    return found


def _parts(prefix: str, schema: CfgNode, owner: str, module: ModuleType | None) -> Iterator[Key]:
    """Yield the keys of a model or a codec, with the comments in its module."""
    notes = comments_of(inspect.getsource(module)) if module is not None else {}
    by_name = _shared_notes() | {p.rpartition(".")[2]: note for p, note in notes.items() if note}
    for path, value in flatten(schema).items():
        if not (isinstance(value, dict) and not value):
            yield _key(f"{prefix}.{path}", value, by_name.get(path.rpartition(".")[2], ""), owner)


@cache
def _shared_notes() -> dict[str, str]:
    """Return the comments on names that many models have in common, by the last part."""
    found = {}
    for name in ("lib.models.recipes.resnet", "lib.models.recipes.stages"):
        notes = comments_of(inspect.getsource(import_module(name)))
        found.update({path.rpartition(".")[2]: note for path, note in notes.items() if note})
    return found


def _key(path: str, default: Any, meaning: str, owner: str = "") -> Key:
    readers = tuple(NAMES[task] for task, not_read in BY_TASK.items() if path not in not_read)
    return Key(
        path,
        "keys of its own" if isinstance(default, dict) else wanted(default),
        list(default) if isinstance(default, tuple) else default,
        owner=owner,
        meaning=meaning,
        bounds=str(bounds_of(path)) if _may_hold_numbers(default) else "",
        choices=_choices(path),
        tasks=() if len(readers) == len(NAMES) else readers,
        idle=tuple(reason for reason, keys, _ in CONDITIONS if path in keys),
        spellings=tuple(old for old, new in ALIASES.items() if new == path),
        paper=paper_of(path),
    )


def _may_hold_numbers(default: Any) -> bool:
    items = default if isinstance(default, list | tuple) else [default]
    return not any(isinstance(item, bool | str) for item in items)


def _choices(path: str) -> tuple[str, ...]:
    registered = {
        "MODEL.NAME": ("lib.models.recipes", "RECIPES"),
        "MODEL.TARGET_TYPE": ("lib.codecs", "CODECS"),
        "DATASET.DATASET": ("lib.datasets.sources", "LAYOUTS"),
    }
    if path in registered:
        return tuple(name for name, _ in _entries(*registered[path]))
    return tuple(value or repr(value) for value in CHOICES.get(path, ()))


def _entries(module: str, registry: str) -> list[tuple[str, Any]]:
    table = getattr(import_module(module), registry)
    return [(name, table[name]) for name in table]
