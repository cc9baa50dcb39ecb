"""Rules that span several keys, or that a type cannot express; one function per rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from yacs.config import CfgNode

from lib.config.bounds import check_bounds
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


def _sizes(cfg: CfgNode) -> str | None:
    for path in ("MODEL.IMAGE_SIZE", "MODEL.HEATMAP_SIZE"):
        size = _get(cfg, path)
        if len(size) != 2:
            return f"{path} must be [width, height] in pixels, got {size}."
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
    sigma = cfg.DATASET.SIGMA
    if sigma != -1 and sigma <= 0:
        return f"DATASET.SIGMA must be above 0 cells, or -1 for size / 64, got {sigma:g}."
    return None


def _scales(cfg: CfgNode) -> str | None:
    least, most = cfg.DATASET.MIN_SCALE, cfg.DATASET.MAX_SCALE
    if least > most:
        return f"DATASET.MAX_SCALE must be at least MIN_SCALE {least:g}, got {most:g}."
    return None


def _gpus(cfg: CfgNode) -> str | None:
    if len(set(cfg.GPUS)) < len(cfg.GPUS):
        return f"GPUS must name each GPU once, got {tuple(cfg.GPUS)}."
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
    check_bounds,
    _sizes,
    _strides,
    _schedule,
    _sigma,
    _scales,
    _gpus,
    _topk,
    _decoder,
    _joints,
)


def _get(cfg: CfgNode, path: str) -> Any:
    node: Any = cfg
    for name in path.split("."):
        node = node[name]
    return node
