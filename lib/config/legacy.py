"""Spellings of older code bases, and keys that no longer do anything."""

from __future__ import annotations

from typing import Any

from lib.config.document import plain
from lib.utils.errors import ConfigError

# Old path -> ours. A whole node cannot be renamed, only its keys.
ALIASES = {
    "TRAIN.BATCH_SIZE": "TRAIN.BATCH_SIZE_PER_GPU",
    "TRAIN.IMAGES_PER_GPU": "TRAIN.BATCH_SIZE_PER_GPU",
    "TRAIN.WARMUP_EPOCHES": "TRAIN.WARMUP_EPOCHS",
    "TRAIN.ACCUMULATION_STEPS": "TRAIN.ACCUMULATE",
    "TEST.BATCH_SIZE": "TEST.BATCH_SIZE_PER_GPU",
    "TEST.IMAGES_PER_GPU": "TEST.BATCH_SIZE_PER_GPU",
    "DATASET.TRAIN": "DATASET.TRAIN_SET",
    "DATASET.TEST": "DATASET.TEST_SET",
    "MODEL.FIINAL_TYPE": "MODEL.FINAL_TYPE",
    # PoseResNet's first code base kept the target's settings in EXTRA.
    "MODEL.EXTRA.TARGET_TYPE": "MODEL.TARGET_TYPE",
    "MODEL.EXTRA.HEATMAP_SIZE": "MODEL.HEATMAP_SIZE",
    "MODEL.EXTRA.SIGMA": "MODEL.SIGMA",
}

# Accepted, without effect. A name that ends in '.' stands for a whole node.
DROPPED = (
    "DEBUG.",
    "RANK",
    "WORLD_SIZE",
    "VERBOSE",
    "DIST_URL",
    "MULTIPROCESSING_DISTRIBUTED",
    "MODEL.STYLE",
    "MODEL.COEF",
    "MODEL.BACKBONE_REC",
    "MODEL.FUSE_DENSE",
    "MODEL.EXTRA.STEM_INPLANES",
    "DATASET.HYBRID_JOINTS_TYPE",
    "TRAIN.GAMMA1",
    "TRAIN.GAMMA2",
    "TRAIN.CHECKPOINT",
    "TEST.BBOX_THRE",
    "TEST.BLUR_KERNEL",
    "TEST.NMS_THRE",
    "TEST.LOG_PROGRESS",
)


# Dropped keys that would make another network or another training -> the values that ask for what
# is done anyway, and what to do instead.
UNMET = {
    "MODEL.STYLE": (("", "pytorch"), "only PyTorch's placement of strides is built"),
    "MODEL.BACKBONE_REC": ((False,), "blocks are never shared"),
    "MODEL.FUSE_DENSE": ((True,), "branches are always fused after every stage"),
    "MODEL.EXTRA.STEM_INPLANES": ((64,), "the stem has 64 channels"),
    "DATASET.HYBRID_JOINTS_TYPE": (("",), "there are no hybrid joints"),
    "TEST.BLUR_KERNEL": (
        (11, 17),
        "dark and udp smooth maps as wide as MODEL.SIGMA wants, 11 cells at 2 and 17 at 3",
    ),
    "TRAIN.CHECKPOINT": (("",), "name weights in MODEL.PRETRAINED, or go on with --resume"),
}

# Nodes whose keys are patterns and names of the user's own, in which dots mean nothing here.
FREE_NAMES = ("TRAIN.LR_MULT", "DATASET.RENAME")


def unmet_wish(dropped: dict[str, Any]) -> str | None:
    """Return a complaint about the first dropped key whose value asks for something else."""
    for key, (nothing, instead) in UNMET.items():
        if key in dropped and plain(dropped[key]) not in (*nothing, None):
            return f"{key} {plain(dropped[key])!r} is not to be had: {instead}. Remove the key."
    return None


def modernise(tree: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return ``tree`` (nested, as read) with today's spellings, and the dropped keys it held."""
    flat = flatten(tree)
    dropped = {key: value for key, value in flat.items() if is_dropped(key)}
    kept: dict[str, Any] = {}
    for key, value in flat.items():
        if is_dropped(key):
            continue
        if key == "DATASET.FLIP" and isinstance(plain(value), bool):
            value = 0.5 if plain(value) else 0.0
        if key in ("MODEL.TARGET_TYPE", "MODEL.EXTRA.TARGET_TYPE"):
            value = str(plain(value)).lower()  # the lineage writes Gaussian, too
        kept[ALIASES.get(key, key)] = value
    return unflatten(kept), dropped


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return ``{"A": {"B": 1}}`` as ``{"A.B": 1}``; empty nodes stay as values."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            flat.update(flatten(value, f"{path}."))
        else:
            flat[path] = value
    return flat


def unflatten(flat: dict[str, Any]) -> dict[str, Any]:
    """Undo ``flatten``; what stands below ``FREE_NAMES`` is one name, dots or not."""
    tree: dict[str, Any] = {}
    for path, value in flat.items():
        *nodes, leaf = _names(path)
        node = tree
        for name in nodes:
            node = node.setdefault(name, {})
            if not isinstance(node, dict):
                raise ConfigError(f"{path} cannot be set: {name} holds the value {node!r}.")
        if isinstance(node.get(leaf), dict):
            raise ConfigError(f"{path} cannot be set to {value!r}: it holds keys of its own.")
        node[leaf] = value
    return tree


def _names(path: str) -> list[str]:
    for node in FREE_NAMES:
        if path.startswith(f"{node}."):
            return [*node.split("."), path[len(node) + 1 :]]
    return path.split(".")


def is_dropped(key: str) -> bool:
    """Return whether a key is accepted without effect."""
    return any(key.startswith(d) if d.endswith(".") else key == d for d in DROPPED)
