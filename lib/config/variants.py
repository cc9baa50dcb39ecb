"""``DATASET.MIX`` and ``DATASET.STAGES``: lists of nodes with keys of DATASET.

yacs holds no lists of nodes. An entry is therefore kept as plain values, and only what it says:
`member_configs` and `stages` put it on top of the DATASET around it. Every key of an entry is
checked when the file is read, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from yacs.config import CfgNode

from lib.config.document import plain
from lib.config.legacy import modernise
from lib.config.merge import merge
from lib.utils.errors import ConfigError, did_you_mean

MIXED = "mix"  # DATASET.DATASET of a configuration with several data sets
Entry = dict[str, Any]  # what one entry says, values of the types that the keys have
Layered = list[tuple[str, Any]]  # an entry as read, and what later files change of it: source, tree

# Keys of an entry of MIX that it does not take from the DATASET around it: whose files these are.
PLACES = (
    "NAME", "DATASET", "DATASET_TEST", "ROOT", "TRAIN_SET", "TEST_SET", "ANNOTATION",
    "ANNOTATION_TEST", "IMAGES", "IMAGES_TEST", "SKELETON", "CATEGORY",
)  # fmt: skip
# Keys that all sets of a mix have in common: the network's input and targets.
SHARED = (
    "MIX", "COLOR_RGB", "MAX_BAD_IMAGES", "NUM_JOINTS", "MAX_NUM_PEOPLE", "INPUT_SIZE",
    "OUTPUT_SIZE", "SIGMA", "SCALE_AWARE_SIGMA", "BASE_SIZE", "BASE_SIGMA", "INT_SIGMA",
    "WITH_CENTER",
)  # fmt: skip
# Keys of TEST that an entry of MIX may set for itself.
TEST_KEYS = (
    "USE_GT_BBOX", "COCO_BBOX_FILE", "IMAGE_THRE", "IN_VIS_THRE", "OKS_THRE", "SOFT_NMS",
    "RESCORE",
)  # fmt: skip
# Keys that an entry of STAGES may set.
AUGMENTATION = (
    "FLIP", "SCALE_FACTOR", "ROT_FACTOR", "PROB_HALF_BODY", "NUM_JOINTS_HALF_BODY", "CUTOUT",
    "SHIFT_FACTOR", "PROB_SHIFT", "DRAWS", "PHOTOMETRIC", "MAX_ROTATION", "MIN_SCALE",
    "MAX_SCALE", "SCALE_TYPE", "MAX_TRANSLATE",
)  # fmt: skip


class NodeLists:
    """The lists of nodes that the layers of a configuration hold, last word to the last layer."""

    def __init__(self) -> None:
        self.entries: dict[str, list[Layered]] = {"MIX": [], "STAGES": []}

    def take(self, tree: dict[str, Any], source: str) -> None:
        """Take the lists out of a layer; a tree in place of a list changes entries by their name.

        Raises:
            ConfigError: neither a list nor a tree, or there is no entry of that name.
        """
        node = tree.get("DATASET")
        for key in self.entries:
            if isinstance(node, dict) and key in node:
                self.entries[key] = _layered(self.entries[key], node.pop(key), source, key)

    def put(self, cfg: CfgNode) -> None:
        """Check all entries, and put what they say into ``cfg.DATASET``.

        Raises:
            ConfigError: an entry is no node, has an unknown key, or a value of the wrong type.
        """
        cfg.DATASET.STAGES = _stages(self.entries["STAGES"], cfg, "DATASET.STAGES")
        cfg.DATASET.MIX = [
            _member(entry, cfg, f"DATASET.MIX[{n}]") for n, entry in enumerate(self.entries["MIX"])
        ]
        if cfg.DATASET.MIX:
            cfg.DATASET.DATASET = MIXED


def member_configs(cfg: CfgNode) -> list[CfgNode]:
    """Return a complete, frozen configuration for each set of a mix, as if it were the only one.

    ``MODEL`` stays that of the mix. Without a mix the only member is ``cfg`` itself.
    """
    return [_over(cfg, entry) for entry in cfg.DATASET.MIX] or [cfg]


def stages(cfg: CfgNode) -> Iterator[tuple[int, CfgNode]]:
    """Yield ``(epoch, configuration)``: what holds from an epoch on, with all stages before.

    Epochs are those that a run shows: warm-up epochs are before ``TRAIN.BEGIN_EPOCH``.
    """
    current = cfg
    for entry in cfg.DATASET.STAGES:
        current = current.clone()
        current.defrost()
        _put(current.DATASET, {key: value for key, value in entry.items() if key != "EPOCH"})
        current.freeze()
        yield entry["EPOCH"], current


def first_epoch(cfg: CfgNode) -> int:
    """Return the epoch that the first pass over the training set is shown as."""
    return 0 if cfg.TRAIN.MAX_ITER else cfg.TRAIN.BEGIN_EPOCH - cfg.TRAIN.WARMUP_EPOCHS


def _layered(entries: list[Layered], value: Any, source: str, key: str) -> list[Layered]:
    value = plain(value) if not isinstance(value, dict | list) else value
    if value is None:
        return []
    if isinstance(value, list):
        return [[(source, entry)] for entry in value]
    if not isinstance(value, dict):
        raise ConfigError(f"{source}: DATASET.{key} must be a list of nodes, got {value!r}.")
    names = [_name(entry) for entry in entries]
    for name, change in value.items():
        if name not in names:
            raise ConfigError(
                f"{source}: DATASET.{key} has no entry {name}.{did_you_mean(name, names)}"
            )
        entries[names.index(name)].append((source, change))
    return entries


def _name(entry: Layered) -> str:
    tree = entry[0][1]
    names = (
        (tree.get(key) for key in ("NAME", "DATASET", "EPOCH")) if isinstance(tree, dict) else ()
    )
    return next((str(plain(name)) for name in names if name is not None), "")


def _member(entry: Layered, cfg: CfgNode, path: str) -> Entry:
    """Return what an entry of MIX says."""
    node = cfg.DATASET.clone()
    for key in SHARED + PLACES:
        del node[key]
    node.update(dict.fromkeys(PLACES, ""))
    node.TEST = CfgNode({key: cfg.TEST[key] for key in TEST_KEYS})
    del node["STAGES"]
    lists = NodeLists()
    said: Entry = {}
    for source, tree in entry:
        tree = _modern(tree, source, path)
        for key in tree:
            if key == "MIX":
                raise ConfigError(f"{source}: {path} holds a mix itself; list its sets one by one.")
            if key in SHARED:
                raise ConfigError(
                    f"{source}: {path}.{key} is the same for all sets of a mix: set DATASET.{key}."
                )
        lists.take({"DATASET": tree}, source)
        merge(node, tree, source, f"{path}.")
        _say(said, tree, node)
    if lists.entries["STAGES"]:
        said["STAGES"] = _stages(lists.entries["STAGES"], cfg, f"{path}.STAGES")
    if "DATASET" not in said:
        raise ConfigError(f"{entry[0][0]}: {path} does not say its DATASET (coco, mpii, ...).")
    return {"NAME": said["DATASET"], **said}


def _stages(entries: list[Layered], cfg: CfgNode, path: str) -> list[Entry]:
    """Return what the entries of STAGES say."""
    found = []
    for number, entry in enumerate(entries):
        node = CfgNode({"EPOCH": 0, **{key: cfg.DATASET[key] for key in AUGMENTATION}}).clone()
        said: Entry = {}
        for source, tree in entry:
            tree = _modern(tree, source, f"{path}[{number}]")
            merge(node, tree, source, f"{path}[{number}].")
            _say(said, tree, node)
        if "EPOCH" not in said:
            raise ConfigError(f"{entry[0][0]}: {path}[{number}] does not say its first EPOCH.")
        found.append(said)
    return found


def _modern(tree: Any, source: str, path: str) -> dict[str, Any]:
    if not isinstance(tree, dict):
        raise ConfigError(f"{source}: {path} must hold keys of DATASET, got {plain(tree)!r:.100}.")
    modern = modernise({"DATASET": tree})[0]["DATASET"]
    return modern if isinstance(modern, dict) else {}


def _say(said: Entry, tree: dict[str, Any], node: CfgNode) -> None:
    """Note the values of the keys of ``tree``, in the types that they have in ``node``."""
    for key, value in tree.items():
        if isinstance(node[key], CfgNode):
            _say(said.setdefault(key, {}), value or {}, node[key])
        else:
            said[key] = node[key]


def _over(cfg: CfgNode, entry: Entry) -> CfgNode:
    """Return ``cfg`` with an entry of its mix in place of the mix."""
    one = cfg.clone()
    one.defrost()
    one.DATASET.MIX = []
    one.TEST.COCO_BBOX_FILE = ""
    one.DATASET.update(dict.fromkeys(PLACES, ""))
    _put(one.DATASET, {key: value for key, value in entry.items() if key != "TEST"})
    _put(one.TEST, entry.get("TEST", {}))
    one.freeze()
    return one


def _put(node: CfgNode, said: Entry) -> None:
    for key, value in said.items():
        if isinstance(node.get(key), CfgNode):
            _put(node[key], value)
        else:
            node[key] = value
