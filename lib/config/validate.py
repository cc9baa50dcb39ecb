"""Rules that span several keys, or that a type cannot express; one function per rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from yacs.config import CfgNode

from lib.utils.errors import ConfigError

CHOICES = {
    "FP16.DTYPE": ("auto", "bfloat16", "float16"),
    "MODEL.TASK": ("topdown", "bottomup"),
    "MODEL.TARGET_TYPE": ("gaussian", "dark", "udp"),
    "LOSS.AE_LOSS_TYPE": ("exp", "max"),
    "DATASET.SCALE_TYPE": ("short", "long"),
    "DATASET.DATA_FORMAT": ("jpg", "png", "zip"),
    "TRAIN.OPTIMIZER": ("adam", "adamw", "sgd"),
    "TRAIN.SCHEDULER": ("multistep", "cosine", "plateau"),
    "TEST.FLIP_ALIGN": ("", "none", "integer", "exact"),
    "TEST.EVALUATOR": ("auto", "pycocotools", "fast"),
    "TEST.MATCHER": ("munkres", "scipy"),
}
AT_LEAST = {
    "WORKERS": 0,
    "PRINT_FREQ": 1,
    "MODEL.NUM_JOINTS": 1,
    "LOSS.TOPK": 1,
    "DATASET.FLIP": 0,
    "DATASET.MAX_NUM_PEOPLE": 1,
    "DATASET.INPUT_SIZE": 32,
    "TRAIN.BATCH_SIZE_PER_GPU": 1,
    "TRAIN.BEGIN_EPOCH": 0,
    "TRAIN.MAX_ITER": 0,
    "TRAIN.LR": 0,
    "TRAIN.WD": 0,
    "TRAIN.ADAM_WD": 0,
    "TRAIN.ACCUMULATE": 1,
    "TRAIN.CLIP_NORM": 0,
    "TRAIN.EMA": 0,
    "TRAIN.EVAL_PERIOD": 0,
    "TRAIN.CHECKPOINT_PERIOD": 1,
    "TRAIN.KEEP_LAST": 0,
    "TEST.BATCH_SIZE_PER_GPU": 1,
    "TEST.SOFT_ARGMAX_BETA": 0,
}


def validate(cfg: CfgNode, source: str) -> None:
    """Run every rule.

    Raises:
        ConfigError: the first rule that is broken, with ``source`` as the place.
    """
    for rule in RULES:
        complaint = rule(cfg)
        if complaint:
            raise ConfigError(f"{source}: {complaint}")


def _choices(cfg: CfgNode) -> str | None:
    for path, known in CHOICES.items():
        value = _get(cfg, path)
        if value not in known:
            return f"{path} must be one of {', '.join(repr(k) for k in known)}, got '{value}'."
    return None


def _bounds(cfg: CfgNode) -> str | None:
    for path, least in AT_LEAST.items():
        value = _get(cfg, path)
        if value < least:
            return f"{path} must be at least {least}, got {value}."
    for path in ("DATASET.FLIP", "DATASET.PROB_HALF_BODY", "TRAIN.EMA"):
        if _get(cfg, path) > 1:
            return f"{path} must be at most 1, got {_get(cfg, path)}."
    return None


def _sizes(cfg: CfgNode) -> str | None:
    for path in ("MODEL.IMAGE_SIZE", "MODEL.HEATMAP_SIZE"):
        size = _get(cfg, path)
        if len(size) != 2 or min(size) < 1:
            return f"{path} must be [width, height] in pixels, both positive, got {size}."
    return None


def _strides(cfg: CfgNode) -> str | None:
    """One stride for both axes: a cell is a square of pixels."""
    (width, height), (w, h) = cfg.MODEL.IMAGE_SIZE, cfg.MODEL.HEATMAP_SIZE
    if width * h != height * w:
        stride = max(1, round(width / w))
        return (
            f"MODEL.HEATMAP_SIZE {[w, h]} does not fit MODEL.IMAGE_SIZE {[width, height]}; "
            f"at stride {stride} it must be {[width // stride, height // stride]}."
        )
    return None


def _schedule(cfg: CfgNode) -> str | None:
    steps = list(cfg.TRAIN.LR_STEP)
    if steps != sorted(set(steps)):
        return f"TRAIN.LR_STEP must grow from entry to entry, got {steps}."
    if not cfg.TRAIN.MAX_ITER and cfg.TRAIN.END_EPOCH <= cfg.TRAIN.BEGIN_EPOCH:
        return (
            f"TRAIN.END_EPOCH must be above TRAIN.BEGIN_EPOCH {cfg.TRAIN.BEGIN_EPOCH}, "
            f"got {cfg.TRAIN.END_EPOCH}."
        )
    return None


def _sigma(cfg: CfgNode) -> str | None:
    if cfg.MODEL.SIGMA <= 0:
        return f"MODEL.SIGMA must be above 0 heatmap cells, got {cfg.MODEL.SIGMA}."
    return None


def _topk(cfg: CfgNode) -> str | None:
    if cfg.LOSS.USE_OHKM and cfg.LOSS.TOPK > cfg.MODEL.NUM_JOINTS:
        return (
            f"LOSS.TOPK {cfg.LOSS.TOPK} is more than MODEL.NUM_JOINTS {cfg.MODEL.NUM_JOINTS}; "
            "OHKM keeps at most all joints."
        )
    return None


def _decoder(cfg: CfgNode) -> str | None:
    """Soft-argmax is a way to read Gaussian targets; other targets have decoders of their own."""
    if cfg.TEST.SOFT_ARGMAX and cfg.MODEL.TARGET_TYPE != "gaussian":
        return (
            f"TEST.SOFT_ARGMAX reads Gaussian heatmaps, not MODEL.TARGET_TYPE "
            f"'{cfg.MODEL.TARGET_TYPE}'; set one of them back."
        )
    return None


def _joints(cfg: CfgNode) -> str | None:
    predicted = cfg.MODEL.NUM_JOINTS - cfg.DATASET.WITH_CENTER  # load_config has added the centre
    if cfg.DATASET.NUM_JOINTS not in (0, predicted):
        return (
            f"DATASET.NUM_JOINTS {cfg.DATASET.NUM_JOINTS} and MODEL.NUM_JOINTS "
            f"{cfg.MODEL.NUM_JOINTS} differ; set both to the joints of the data set."
        )
    return None


RULES: tuple[Callable[[CfgNode], str | None], ...] = (
    _choices,
    _bounds,
    _sizes,
    _strides,
    _schedule,
    _sigma,
    _topk,
    _decoder,
    _joints,
)


def _get(cfg: CfgNode, path: str) -> Any:
    node: Any = cfg
    for name in path.split("."):
        node = node[name]
    return node
