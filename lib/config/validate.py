"""Rules that span several keys, or that a type cannot express; one function per rule."""

from __future__ import annotations

import string
from collections.abc import Callable
from importlib import import_module
from typing import Any

from yacs.config import CfgNode

from lib.config.bounds import check_bounds
from lib.config.effect import value_of
from lib.config.photometric import PRESETS, check_ranges, check_switch
from lib.config.variants import first_epoch, member_configs, stages
from lib.utils.errors import ConfigError

CHOICES = {
    "FP16.DTYPE": ("auto", "bfloat16", "float16"),
    "MODEL.TASK": ("topdown", "bottomup"),
    "LOSS.AE_LOSS_TYPE": ("exp", "max"),
    "DATASET.SCALE_TYPE": ("short", "long"),
    "DATASET.DATA_FORMAT": ("jpg", "png", "zip"),
    "DATASET.DRAWS": ("clipped", "truncated"),
    "DATASET.PHOTOMETRIC.PRESET": tuple(PRESETS),
    "TRAIN.DECODE": ("full", "reduced"),
    "TEST.DECODE": ("full", "reduced", "cuda"),
    "TRAIN.OPTIMIZER": ("adam", "adamw", "sgd"),
    "TRAIN.LR_RULE": ("none", "linear", "sqrt"),
    "TRAIN.FORMAT": ("pth", "safetensors"),
    "TRAIN.SCHEDULER": ("multistep", "cosine", "plateau"),
    "TEST.FLIP_ALIGN": ("", "none", "integer", "exact"),
    "TEST.EVALUATOR": ("auto", "own", "pycocotools", "fast"),
    "TEST.RUNTIME": ("", "onnxruntime", "openvino", "torch"),
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
    for member in member_configs(cfg) if cfg.DATASET.MIX else ():
        validate(member, f"{source}: {member.DATASET.NAME} of DATASET.MIX")
    for epoch, stage in stages(cfg):
        for rule in STAGE_RULES:
            complaint = rule(stage)
            if complaint:
                raise ConfigError(f"{source}: DATASET.STAGES, epoch {epoch}: {complaint}")


def _choices(cfg: CfgNode) -> str | None:
    for path, known in CHOICES.items():
        value = value_of(cfg, path)
        if value not in known:
            return f"{path} must be one of {', '.join(repr(k) for k in known)}, got '{value}'."
    return None


def _sizes(cfg: CfgNode) -> str | None:
    for path in ("MODEL.IMAGE_SIZE", "MODEL.HEATMAP_SIZE"):
        size = value_of(cfg, path)
        if len(size) != 2:
            return f"{path} must be [width, height] in pixels, got {size}."
    return None


def _strides(cfg: CfgNode) -> str | None:
    """One stride for both axes: a cell is a square of pixels."""
    if not _codecs().CODECS[cfg.MODEL.TARGET_TYPE].map_sized:
        return None
    (width, height), (w, h) = cfg.MODEL.IMAGE_SIZE, cfg.MODEL.HEATMAP_SIZE
    if width * h == height * w:
        return None
    whole = [a // b for a, b in ((width, w), (height, h)) if a % b == 0]
    stride = whole[0] if whole else max(1, round(width / w))
    wanted = f"at stride {stride} it must be {[width // stride, height // stride]}"
    if width % stride or height % stride:
        wanted = f"at stride {stride} the image's sides must be multiples of {stride}"
    return f"MODEL.HEATMAP_SIZE {[w, h]} does not fit MODEL.IMAGE_SIZE {[width, height]}; {wanted}."


def _schedule(cfg: CfgNode) -> str | None:
    steps = list(cfg.TRAIN.LR_STEP)
    if steps != sorted(set(steps)):
        return f"TRAIN.LR_STEP must grow from entry to entry, got {steps}."
    if not cfg.TRAIN.MAX_ITER and cfg.TRAIN.END_EPOCH <= cfg.TRAIN.BEGIN_EPOCH:
        return (
            f"TRAIN.END_EPOCH must be above TRAIN.BEGIN_EPOCH {cfg.TRAIN.BEGIN_EPOCH}, "
            f"got {cfg.TRAIN.END_EPOCH}."
        )
    if cfg.TRAIN.LR_RULE != "none" and not cfg.TRAIN.LR_BATCH:
        return (
            f"TRAIN.LR_RULE {cfg.TRAIN.LR_RULE} needs TRAIN.LR_BATCH, the samples per step that "
            f"TRAIN.LR {cfg.TRAIN.LR:g} is meant for."
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


def _codec(cfg: CfgNode) -> str | None:
    """The codec knows which of its settings make sense."""
    try:
        _codecs().build_codec(cfg)
    except ConfigError as error:
        return str(error)
    return None


def _codecs() -> Any:
    """Return ``lib.codecs``; by name, at call time, as it stands above config."""
    return import_module("lib.codecs")


def _joints(cfg: CfgNode) -> str | None:
    predicted = cfg.MODEL.NUM_JOINTS - cfg.DATASET.WITH_CENTER  # load_config has added the centre
    if cfg.DATASET.NUM_JOINTS not in (0, predicted):
        return (
            f"DATASET.NUM_JOINTS {cfg.DATASET.NUM_JOINTS} and MODEL.NUM_JOINTS "
            f"{cfg.MODEL.NUM_JOINTS} differ; set both to the joints of the data set."
        )
    return None


def _epochs_of_stages(cfg: CfgNode) -> str | None:
    epochs = [entry["EPOCH"] for entry in cfg.DATASET.STAGES]
    if epochs != sorted(set(epochs)):
        return f"DATASET.STAGES: EPOCH must grow from entry to entry, got {epochs}."
    if epochs and epochs[0] <= first_epoch(cfg):
        return (
            f"DATASET.STAGES begins at EPOCH {epochs[0]}, but training at {first_epoch(cfg)}: what "
            "holds from the start belongs into DATASET itself."
        )
    return None


def _mix(cfg: CfgNode) -> str | None:
    entries = cfg.DATASET.MIX
    if not entries:
        return None
    names = [entry["NAME"] for entry in entries]
    if len(set(names)) < len(names):
        return f"DATASET.MIX: give every entry a NAME of its own, got {names}."
    if any(not name or not set(name) <= _LETTERS for name in names):
        return f"DATASET.MIX: a NAME takes letters, digits, '-' and '_', got {names}."
    weights = [entry.get("WEIGHT", 0.0) for entry in entries if _trains(entry)]
    if any(weights) and not all(weights):
        return f"DATASET.MIX: give all entries that are trained on a WEIGHT or none, got {weights}."
    for entry in entries:
        if not _trains(entry) and not (entry.get("TEST_SET") or entry.get("ANNOTATION_TEST")):
            return f"DATASET.MIX: {entry['NAME']} has neither TRAIN_SET nor TEST_SET."
    if not cfg.LOSS.USE_TARGET_WEIGHT:
        return "LOSS.USE_TARGET_WEIGHT must be true for a mix: sets label different joints."
    return None


def _teacher(cfg: CfgNode) -> str | None:
    if cfg.TRAIN.TEACHER and not cfg.LOSS.USE_TARGET_WEIGHT:
        return (
            "LOSS.USE_TARGET_WEIGHT must be true with a TRAIN.TEACHER: it does not know all joints "
            "equally well."
        )
    if cfg.TRAIN.TEACHER and _codecs().CODECS[cfg.MODEL.TARGET_TYPE].learns_absence:
        return (
            f"MODEL.TARGET_TYPE '{cfg.MODEL.TARGET_TYPE}' learns whether joints are there, which "
            "no TRAIN.TEACHER says: train it by the truth alone."
        )
    return None


def _best(cfg: CfgNode) -> str | None:
    name = cfg.TEST.BEST
    if (name == "loss" or name.startswith("loss ")) and not cfg.TRAIN.VAL_LOSS:
        return f"TEST.BEST '{name}' needs TRAIN.VAL_LOSS true: else no loss is measured."
    return None


def _trains(entry: dict[str, Any]) -> bool:
    return bool(entry.get("TRAIN_SET") or entry.get("ANNOTATION"))


_LETTERS = set(string.ascii_letters + string.digits + "-_")

STAGE_RULES: tuple[Callable[[CfgNode], str | None], ...] = (
    _choices,
    check_bounds,
    _scales,
    check_ranges,
)
RULES: tuple[Callable[[CfgNode], str | None], ...] = (
    _choices,
    check_bounds,
    _sizes,
    _strides,
    _schedule,
    _sigma,
    _scales,
    check_ranges,
    check_switch,
    _epochs_of_stages,
    _mix,
    _gpus,
    _topk,
    _teacher,
    _best,
    _codec,
    _joints,
)
