"""Keys that are accepted and change nothing.

Nothing that a user asked for is passed over in silence: `idle_keys` names what has no effect here.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from yacs.config import CfgNode

from lib.config.defaults import default_config

# Read by bottom-up models only.
BOTTOM_UP = (
    "MODEL.TAG_PER_JOINT",
    "LOSS.NUM_STAGES", "LOSS.WITH_HEATMAPS_LOSS", "LOSS.HEATMAPS_LOSS_FACTOR",
    "LOSS.WITH_AE_LOSS", "LOSS.AE_LOSS_TYPE", "LOSS.PUSH_LOSS_FACTOR", "LOSS.PULL_LOSS_FACTOR",
    "DATASET.MAX_NUM_PEOPLE", "DATASET.MAX_ROTATION", "DATASET.MIN_SCALE", "DATASET.MAX_SCALE",
    "DATASET.SCALE_TYPE", "DATASET.MAX_TRANSLATE", "DATASET.INPUT_SIZE", "DATASET.OUTPUT_SIZE",
    "DATASET.SIGMA", "DATASET.SCALE_AWARE_SIGMA", "DATASET.BASE_SIZE", "DATASET.BASE_SIGMA",
    "DATASET.INT_SIGMA", "TEST.SCALE_FACTOR", "TEST.ADJUST", "TEST.REFINE",
    "TEST.DETECTION_THRESHOLD", "TEST.TAG_THRESHOLD", "TEST.USE_DETECTION_VAL",
    "TEST.IGNORE_TOO_MUCH", "TEST.IGNORE_CENTER", "TEST.MATCHER", "TEST.NMS_KERNEL",
    "TEST.NMS_PADDING", "TEST.PROJECT2IMAGE", "TEST.WITH_HEATMAPS", "TEST.WITH_AE",
)  # fmt: skip
# Read by top-down models only.
TOP_DOWN = (
    "MODEL.TARGET_TYPE", "MODEL.SIGMA", "TRAIN.WHOLE_IMAGES", "TRAIN.DECODE", "LOSS.FACTOR",
    "LOSS.USE_OHKM", "LOSS.TOPK", "LOSS.USE_TARGET_WEIGHT", "LOSS.USE_DIFFERENT_JOINTS_WEIGHT",
    "LOSS.NAME", "DATASET.SELECT_DATA", "DATASET.SCALE_FACTOR", "DATASET.ROT_FACTOR",
    "DATASET.PROB_HALF_BODY", "DATASET.NUM_JOINTS_HALF_BODY", "DATASET.CUTOUT",
    "DATASET.SHIFT_FACTOR", "DATASET.PROB_SHIFT", "DATASET.DRAWS", "DATASET.NEGATIVES",
    "TEST.DECODE", "TEST.COMPILE", "TEST.SHIFT_HEATMAP", "TEST.FLIP_ALIGN", "TEST.POST_PROCESS",
    "TEST.SOFT_ARGMAX", "TEST.SOFT_ARGMAX_BETA", "TEST.BIAS", "TEST.USE_GT_BBOX",
    "TEST.COCO_BBOX_FILE", "TEST.IMAGE_THRE", "TEST.OKS_THRE", "TEST.SOFT_NMS", "TEST.RESCORE",
)  # fmt: skip
BY_TASK = {
    "topdown": BOTTOM_UP,
    "bottomup": (*TOP_DOWN, "DATASET.COLOR_RGB", "TEST.IN_VIS_THRE"),
    "rcnn": (*BOTTOM_UP, *TOP_DOWN),
}
NAMES = {"topdown": "top-down", "bottomup": "bottom-up", "rcnn": "one-stage"}


def _read_by_codec(cfg: CfgNode) -> tuple[str, ...]:
    """Return what the codec reads besides what all do; by name, as it stands above config."""
    return import_module("lib.codecs").CODECS[cfg.MODEL.TARGET_TYPE].also_reads


def _freezes_nothing(cfg: CfgNode) -> bool:
    return not (cfg.TRAIN.FREEZE or cfg.MODEL.FREEZE_BACKBONE or 0 < cfg.MODEL.FREEZE_STAGES < 7)


Rule = tuple[str, tuple[str, ...], Callable[[CfgNode], bool]]
# Keys that do nothing as long as another key stands as it does: why, the keys, when. What a
# recipe keeps beside each other (LR_STEP and a cosine, boxes of both kinds) is not among them.
CONDITIONS: tuple[Rule, ...] = (
    ("adam takes TRAIN.ADAM_WD", ("TRAIN.WD",), lambda c: c.TRAIN.OPTIMIZER == "adam"),
    ("for adam only", ("TRAIN.ADAM_WD",), lambda c: c.TRAIN.OPTIMIZER != "adam"),
    (
        "for sgd only",
        ("TRAIN.MOMENTUM", "TRAIN.NESTEROV"),
        lambda c: c.TRAIN.OPTIMIZER != "sgd",
    ),
    (
        "TRAIN.MAX_ITER counts iterations",
        ("TRAIN.BEGIN_EPOCH", "TRAIN.END_EPOCH", "TRAIN.WARMUP_EPOCHS"),
        lambda c: c.TRAIN.MAX_ITER > 0,
    ),
    ("not for cosine", ("TRAIN.LR_FACTOR",), lambda c: c.TRAIN.SCHEDULER == "cosine"),
    ("for plateau only", ("TRAIN.PATIENCE",), lambda c: c.TRAIN.SCHEDULER != "plateau"),
    ("for cosine only", ("TRAIN.FLAT", "TRAIN.LR_MIN"), lambda c: c.TRAIN.SCHEDULER != "cosine"),
    (
        "TRAIN.EVAL_PERIOD is 0: only the end is scored",
        ("TRAIN.EARLY_STOP",),
        lambda c: c.TRAIN.EVAL_PERIOD == 0,
    ),
    (
        "for MODEL.NAME posenet only",
        ("MODEL.TASK", "MODEL.NECK", "MODEL.HEAD"),
        lambda c: c.MODEL.NAME != "posenet",
    ),
    (
        "for MODEL.NAME posenet and pose_effpnet",
        ("MODEL.BACKBONE",),
        lambda c: c.MODEL.NAME not in ("posenet", "pose_effpnet"),
    ),
    (
        "for MODEL.NAME pose_effpnet only",
        ("MODEL.BACKBONE_TYPE", "MODEL.FPN_TYPE", "MODEL.FINAL_TYPE"),
        lambda c: c.MODEL.NAME != "pose_effpnet",
    ),
    (
        "of losses of heatmaps",
        ("LOSS.FACTOR",),
        lambda c: "LOSS.FACTOR" not in _read_by_codec(c),
    ),
    (
        "TEST.SOFT_ARGMAX is false",
        ("TEST.SOFT_ARGMAX_BETA",),
        lambda c: not (c.TEST.SOFT_ARGMAX or "TEST.SOFT_ARGMAX_BETA" in _read_by_codec(c)),
    ),
    ("DATASET.MIX is empty", ("DATASET.NAME", "DATASET.WEIGHT"), lambda c: not c.DATASET.MIX),
    (
        "DATASET.WITH_CENTER is false",
        ("TEST.IGNORE_CENTER",),
        lambda c: not c.DATASET.WITH_CENTER,
    ),
    (
        "TRAIN.CHECKPOINT_ITERS counts iterations",
        ("TRAIN.CHECKPOINT_PERIOD",),
        lambda c: c.TRAIN.CHECKPOINT_ITERS > 0,
    ),
    ("TRAIN.EMA is 0", ("TRAIN.EMA_RAMP",), lambda c: c.TRAIN.EMA == 0),
    ("nothing is frozen", ("TRAIN.FREEZE_UNTIL",), _freezes_nothing),
    (
        "TRAIN.WARMUP_ITERS is 0",
        ("TRAIN.WARMUP_FACTOR",),
        lambda c: c.TRAIN.WARMUP_ITERS == 0,
    ),
    (
        "TRAIN.SHUFFLE is false: the order is the file's",
        ("TRAIN.WHOLE_IMAGES",),
        lambda c: not c.TRAIN.SHUFFLE,
    ),
    (
        "of the codec's own loss, and LOSS.NAME is another",
        ("LOSS.FACTOR", "LOSS.USE_OHKM", "LOSS.TOPK"),
        lambda c: c.LOSS.NAME != "",
    ),
    ("LOSS.USE_OHKM is false", ("LOSS.TOPK",), lambda c: not c.LOSS.USE_OHKM),
    (
        "TRAIN.TEACHER is empty",
        ("TRAIN.TEACHER_CFG", "TRAIN.TEACHER_WEIGHT"),
        lambda c: not c.TRAIN.TEACHER,
    ),
    ("FP16.ENABLED is false", ("FP16.DTYPE",), lambda c: not c.FP16.ENABLED),
    (
        "FP16.DYNAMIC_LOSS_SCALE is true",
        ("FP16.STATIC_LOSS_SCALE",),
        lambda c: c.FP16.DYNAMIC_LOSS_SCALE,
    ),
    (
        "TEST.FLIP_TEST is false",
        ("TEST.SHIFT_HEATMAP", "TEST.FLIP_ALIGN"),
        lambda c: not c.TEST.FLIP_TEST,
    ),
    (
        "DATASET.PROB_HALF_BODY is 0",
        ("DATASET.NUM_JOINTS_HALF_BODY",),
        lambda c: c.DATASET.PROB_HALF_BODY <= 0,
    ),
    (
        "DATASET.SCALE_AWARE_SIGMA is false",
        ("DATASET.BASE_SIZE", "DATASET.BASE_SIGMA", "DATASET.INT_SIGMA"),
        lambda c: not c.DATASET.SCALE_AWARE_SIGMA,
    ),
)
FOR_TESTS = ("DATASET", "TEST")  # sections that a test reads
FOR_TRAINING = ("MODEL", "LOSS", "TRAIN", "FP16", *FOR_TESTS)


def idle_keys(cfg: CfgNode, task: str, sections: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the keys that were set and change nothing, by the reason why.

    Keys that have their default value were not asked for.

    Args:
        cfg: the complete tree.
        task: ``topdown``, ``bottomup`` or ``rcnn``; of others only what tasks have in common.
        sections: the nodes to look into.
    """
    defaults, told = default_config(), set[str]()
    found: dict[str, list[str]] = {}
    never: Rule = (f"not for {NAMES.get(task, task)} models", BY_TASK.get(task, ()), lambda _: True)
    for reason, keys, holds in (never, *CONDITIONS):
        idle = [
            key
            for key in keys
            if key.partition(".")[0] in sections
            and key not in told
            and not _same(value_of(cfg, key), value_of(defaults, key))
            and holds(cfg)
        ]
        told.update(idle)
        if idle:
            found[reason] = idle
    return found


def describe_idle(found: dict[str, list[str]]) -> str:
    """Return the answer of `idle_keys` in words, '' for nothing."""
    parts = [f"{', '.join(keys)} ({reason})" for reason, keys in found.items()]
    return f"set, and without effect here: {'; '.join(parts)}" if parts else ""


def value_of(cfg: CfgNode, path: str) -> Any:
    """Return the value of a key by its path, such as ``TRAIN.LR``."""
    node: Any = cfg
    for name in path.split("."):
        node = node[name]
    return node


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return list(one) == list(other)
    return one == other
