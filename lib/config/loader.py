"""``load_config``: defaults <- ``_BASE_`` files <- the file <- overrides, each layer checked."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml
from yacs.config import CfgNode

from lib.config.defaults import default_config
from lib.config.document import BAD_YAML, plain, read_document, read_word
from lib.config.effect import value_of
from lib.config.imports import KEY, place_imports, refuse_imports
from lib.config.inherited import OPEN_NODES, Layer, OpenNodes
from lib.config.legacy import modernise, unflatten, unmet_wish
from lib.config.merge import merge
from lib.config.stretch import stretch
from lib.config.validate import validate
from lib.config.variants import NodeLists
from lib.utils.errors import ConfigError, did_you_mean
from lib.utils.files import at_home, fault_in
from lib.utils.plugins import import_parts
from lib.zoo.resolve import is_reference

logger = logging.getLogger(__name__)

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
_PATHS = ("DATASET.ROOT", "MODEL.PRETRAINED", "TRAIN.TEACHER", "TEST.MODEL_FILE")


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> CfgNode:
    """Read a YAML file of the HRNet family and return the complete, checked, frozen tree.

    Args:
        path: the YAML file. Its ``_BASE_`` (a path or a list, relative to the file) is read first.
        overrides: command-line words, ``KEY VALUE`` pairs or ``KEY=VALUE``, in any mixture.

    Returns:
        All keys of ``lib.config.defaults``; ``MODEL.EXTRA`` holds every key of the model's schema,
        ``MODEL.CODEC`` those of the codec's.
        ``DATA_DIR`` has been put before the paths it governs, and is empty.

    Raises:
        ConfigError: a file is missing or not YAML, a key is unknown, a value has the wrong type, or
            several keys contradict one another. The message names file, key, what was wanted.
    """
    return _complete(config_layers(path, overrides), str(path))


def config_layers(path: str | Path, overrides: Sequence[str] = ()) -> list[Layer]:
    """Return what the files and the overrides of a configuration say, in the order they count.

    Raises:
        ConfigError: a file is missing or not YAML, or an override is none.
    """
    return [*_file_layers(Path(path), ()), *_override_layers(overrides)]


def load_config_text(text: str, source: str, overrides: Sequence[str] = ()) -> CfgNode:
    """Return the tree of YAML text without ``_BASE_``: the configuration in a model card.

    Args:
        text: as ``save_config`` writes it.
        source: where it comes from, for messages.
        overrides: as those of ``load_config``. What the text names in ``IMPORTS`` is run only if
            they name it, too.

    Raises:
        ConfigError: as ``load_config``.
    """
    tree, layers = _tree(text, source), _override_layers(overrides)
    if not any(KEY in words for _, words in layers):
        refuse_imports(tree, source)
    return _complete([(source, tree), *layers], source)


def _complete(layers: list[Layer], path: str) -> CfgNode:
    """Return the checked, frozen tree that the layers make."""
    cfg = default_config()
    nodes = OpenNodes()
    lists = NodeLists()
    dropped: dict[str, Any] = {}
    for source, raw in layers:
        tree, old = modernise(raw)
        dropped.update(old)
        nodes.take(tree, source)
        lists.take(tree, source)
        merge(cfg, tree, source, "")
    import_parts(cfg.IMPORTS, path)
    for open_node, schema in _schemas(cfg, path).items():
        section, _, name = open_node.partition(".")
        chosen = value_of(cfg, OPEN_NODES[open_node])
        if not isinstance(schema, CfgNode):
            raise ConfigError(
                f"{path}: {OPEN_NODES[open_node]} '{chosen}' must declare its settings as a "
                f"CfgNode, has {schema!r}."
            )
        given = nodes.layers(open_node, chosen, schema)
        if not schema and not schema.is_new_allowed():
            _refuse_settings(cfg, open_node, given)
        cfg[section][name] = _completed(schema, open_node, given)
    lists.put(cfg)
    if complaint := unmet_wish(dropped):
        raise ConfigError(f"{path}: {complaint}")
    if dropped:
        logger.warning("%s: keys without effect here: %s", path, ", ".join(dropped))
    _join_data_dir(cfg)
    _derive(cfg)
    stretch(cfg, path)
    validate(cfg, path)
    cfg.freeze()
    return cfg


def save_config(cfg: CfgNode, path: str | Path) -> None:
    """Write the resolved tree; ``load_config`` of that file returns an equal one."""
    Path(path).write_text(config_text(cfg), encoding="utf-8")


def config_text(cfg: CfgNode) -> str:
    """Return the resolved tree as YAML, for ``load_config_text``."""
    return yaml.safe_dump(_plain(cfg), sort_keys=False, default_flow_style=None)


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    return list(node) if isinstance(node, tuple) else node


def _file_layers(path: Path, children: tuple[Path, ...]) -> list[Layer]:
    """Return the layers of a file: those of its bases, left to right, then its own."""
    if path.resolve() in children:
        raise ConfigError(f"{path}: _BASE_ leads back to the file itself; remove the cycle.")
    tree = _read_yaml(path, children)
    place_imports(tree, path.parent, str(path))
    bases = plain(tree.pop("_BASE_", []))
    if isinstance(bases, str):
        bases = [bases]
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise ConfigError(f"{path}: _BASE_ must be a path or a list of paths, got {bases!r}.")
    layers: list[Layer] = []
    for base in bases:
        layers += _file_layers(path.parent / base, (*children, path.resolve()))
    return [*layers, (str(path), tree)]


def _read_yaml(path: Path, children: tuple[Path, ...]) -> dict[str, Any]:
    if not path.is_file():
        siblings = [str(file) for file in path.parent.glob("*.yaml")] if path.parent else []
        advice = f" _BASE_ counts from the folder of {children[-1].name}." if children else ""
        advice += did_you_mean(str(path), siblings)
        raise ConfigError(f"No configuration file {path}{fault_in(path)}.{advice}")
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors of Windows put a mark in front
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} must be text in UTF-8 ({error}); save it in that encoding."
        ) from None
    return _tree(text, str(path))


def _tree(text: str, path: str) -> dict[str, Any]:
    try:
        tree = read_document(text)
    except BAD_YAML as error:
        raise ConfigError(
            f"{path} cannot be read as YAML: {' '.join(str(error).split())}"
        ) from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} must hold keys and values, got {plain(tree)!r:.100}.")
    return tree


def _override_layers(words: Sequence[str]) -> list[Layer]:
    """Read ``KEY VALUE`` and ``KEY=VALUE`` words."""
    flat: dict[str, Any] = {}
    queue = list(words)
    while queue:
        word = queue.pop(0)
        key, equals, text = word.partition("=")
        if not _KEY.fullmatch(key):
            raise ConfigError(
                f"Override '{word}' must be KEY VALUE or KEY=VALUE, such as TRAIN.LR 0.01."
            )
        if not equals:
            if not queue:
                raise ConfigError(f"Override '{key}' has no value; write {key} VALUE.")
            text = queue.pop(0)
        flat[key] = read_word(text)
    tree = unflatten(flat)
    place_imports(tree, Path.cwd(), "command line")
    return [("command line", tree)] if flat else []


def _schemas(cfg: CfgNode, source: str) -> dict[str, CfgNode]:
    """Return the schemas of the nodes that depend on which model, codec and loss it is."""
    # By name, at call time: they stand above config, a plain import would point upward.
    recipes = import_module("lib.models.recipes").RECIPES
    codecs = import_module("lib.codecs").CODECS
    losses = import_module("lib.losses.registry").LOSSES
    try:
        return {
            "MODEL.EXTRA": recipes[cfg.MODEL.NAME].extra,
            "MODEL.CODEC": codecs[cfg.MODEL.TARGET_TYPE].options,
            "LOSS.OPTIONS": losses[cfg.LOSS.NAME].options if cfg.LOSS.NAME else CfgNode(),
        }
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None


def _completed(schema: CfgNode, path: str, layers: list[Layer]) -> CfgNode:
    """Return a copy of ``schema`` with the layers' values in it."""
    node = schema.clone()
    for source, tree in layers:
        if not isinstance(tree, dict):
            raise ConfigError(f"{source}: {path} must hold keys, got {tree!r}.")
        merge(node, tree, source, f"{path}.")
    return node


def _refuse_settings(cfg: CfgNode, path: str, layers: list[Layer]) -> None:
    """Say who it is that has no settings.

    Raises:
        ConfigError: a layer gives it one.
    """
    owner = OPEN_NODES[path]
    for source, tree in layers:
        if isinstance(tree, dict) and tree:
            raise ConfigError(
                f"{source}: unknown key {path}.{next(iter(tree))}: {owner} "
                f"'{value_of(cfg, owner)}' has no settings; remove it, or name another {owner}."
            )


def _join_data_dir(cfg: CfgNode) -> None:
    """Put DATA_DIR before the paths it governs, once: the resolved file has it empty."""
    if not cfg.DATA_DIR:
        return
    for key in _PATHS:
        section, name = key.split(".")
        if cfg[section][name] and not is_reference(cfg[section][name]):
            cfg[section][name] = str(Path(cfg.DATA_DIR) / at_home(cfg[section][name]))
    for entry in cfg.DATASET.MIX:
        if entry.get("ROOT"):
            entry["ROOT"] = str(Path(cfg.DATA_DIR) / entry["ROOT"])
    cfg.DATA_DIR = ""


def _derive(cfg: CfgNode) -> None:
    """Set what follows from other keys; doing it twice changes nothing."""
    if "WITH_AE_LOSS" in cfg.MODEL.EXTRA:  # stages with a tag loss are those with tag maps
        cfg.MODEL.EXTRA.WITH_AE_LOSS = list(cfg.LOSS.WITH_AE_LOSS)
    if cfg.DATASET.WITH_CENTER:
        cfg.DATASET.NUM_JOINTS = cfg.DATASET.NUM_JOINTS or cfg.MODEL.NUM_JOINTS
        cfg.MODEL.NUM_JOINTS = cfg.DATASET.NUM_JOINTS + 1
