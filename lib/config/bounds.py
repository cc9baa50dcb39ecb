"""Between which numbers the value of a key may lie."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from yacs.config import CfgNode


@dataclass(frozen=True)
class Bounds:
    """An interval.

    Attributes:
        least: lower end.
        most: upper end.
        open_below: ``least`` itself is too little.
        open_above: ``most`` itself is too much.
    """

    least: float = -math.inf
    most: float = math.inf
    open_below: bool = False
    open_above: bool = False

    def holds(self, number: float) -> bool:
        """Return whether ``number`` lies inside."""
        low = number > self.least if self.open_below else number >= self.least
        high = number < self.most if self.open_above else number <= self.most
        return low and high

    def __str__(self) -> str:
        """Return the interval in words."""
        parts = []
        if self.least > -math.inf:
            parts.append(f"{'above' if self.open_below else 'at least'} {self.least:g}")
        if self.most < math.inf:
            parts.append(f"{'below' if self.open_above else 'at most'} {self.most:g}")
        return " and ".join(parts)


COUNT, NATURAL, POSITIVE = Bounds(1), Bounds(0), Bounds(0, open_below=True)
SHARE, DECAY = Bounds(0, 1), Bounds(0, 1, open_above=True)
ANGLE = Bounds(0, 180)
LEVEL_STEP = Bounds(-255, 255)

# What RANGE may hold, by the name of the photometric operation.
PHOTOMETRIC: dict[str, Bounds] = {
    "HUE": Bounds(-180, 180),
    "SATURATION": Bounds(0, 100),
    **dict.fromkeys(("SATURATION_SHIFT", "VALUE_SHIFT", "BRIGHTNESS"), LEVEL_STEP),
    "CONTRAST": Bounds(0, 100),
    **dict.fromkeys(("GREY", "DROPOUT"), SHARE),
    "LOW_RESOLUTION": Bounds(0, 1, open_below=True),
    "BLUR": Bounds(0, 100),  # the window grows with it, and so does the time
    "NOISE": Bounds(0, 255),
    **dict.fromkeys(("BOX_BLUR", "MEDIAN_BLUR"), Bounds(1, 31)),
    "JPEG": Bounds(1, 100),
}

# Of every number in lib.config.defaults; of each entry where the key holds a list.
KEYS: dict[str, Bounds] = {
    "GPUS": NATURAL,
    "WORKERS": NATURAL,
    "PRINT_FREQ": COUNT,
    "FLIGHT": NATURAL,
    "PROFILE": NATURAL,
    "SEED": Bounds(0, 2**63 - 1),
    "DIST_TIMEOUT": POSITIVE,
    "FP16.STATIC_LOSS_SCALE": POSITIVE,
    "MODEL.NUM_JOINTS": COUNT,
    "MODEL.FREEZE_STAGES": Bounds(-1),
    "MODEL.IMAGE_SIZE": COUNT,
    "MODEL.HEATMAP_SIZE": COUNT,
    "MODEL.SIGMA": POSITIVE,
    "LOSS.FACTOR": POSITIVE,
    "LOSS.TOPK": COUNT,
    "LOSS.NUM_STAGES": COUNT,
    "LOSS.HEATMAPS_LOSS_FACTOR": NATURAL,
    "LOSS.PUSH_LOSS_FACTOR": NATURAL,
    "LOSS.PULL_LOSS_FACTOR": NATURAL,
    "DATASET.WEIGHT": NATURAL,
    "DATASET.MAX_BAD_IMAGES": NATURAL,
    "DATASET.FLIP": SHARE,
    "DATASET.SCALE_FACTOR": DECAY,  # at 1 a crop could shrink to nothing
    "DATASET.ROT_FACTOR": ANGLE,
    "DATASET.PROB_HALF_BODY": Bounds(-1, 1),  # the lineage's MPII files say -1 for never
    "DATASET.NUM_JOINTS_HALF_BODY": NATURAL,
    "DATASET.SHIFT_FACTOR": SHARE,
    "DATASET.PROB_SHIFT": SHARE,
    "DATASET.NEGATIVES": NATURAL,
    "DATASET.NUM_JOINTS": NATURAL,
    "DATASET.MAX_NUM_PEOPLE": COUNT,
    "DATASET.MAX_ROTATION": ANGLE,
    "DATASET.MIN_SCALE": POSITIVE,
    "DATASET.MAX_SCALE": POSITIVE,
    "DATASET.MAX_TRANSLATE": NATURAL,
    "DATASET.INPUT_SIZE": Bounds(32),
    "DATASET.OUTPUT_SIZE": COUNT,
    "DATASET.BASE_SIZE": POSITIVE,
    "DATASET.BASE_SIGMA": POSITIVE,
    "TRAIN.BATCH_SIZE_PER_GPU": COUNT,
    "TRAIN.BEGIN_EPOCH": NATURAL,
    "TRAIN.END_EPOCH": NATURAL,
    "TRAIN.MAX_ITER": NATURAL,
    "TRAIN.STRETCH": POSITIVE,
    "TRAIN.EARLY_STOP": NATURAL,
    "TRAIN.STOP_AFTER": NATURAL,
    "TRAIN.LR": NATURAL,
    "TRAIN.LR_BATCH": NATURAL,
    "TRAIN.WD": NATURAL,
    "TRAIN.ADAM_WD": NATURAL,
    "TRAIN.WD_NORM": Bounds(-1),
    "TRAIN.WD_BIAS": Bounds(-1),
    "TRAIN.LAYER_DECAY": Bounds(0, 1, open_below=True),
    "TRAIN.FREEZE_UNTIL": NATURAL,
    "TRAIN.MOMENTUM": DECAY,
    "TRAIN.LR_FACTOR": Bounds(0, 1, open_below=True),
    "TRAIN.LR_STEP": NATURAL,
    "TRAIN.LR_MIN": NATURAL,
    "TRAIN.PATIENCE": NATURAL,
    "TRAIN.FLAT": DECAY,
    "TRAIN.WARMUP_EPOCHS": NATURAL,
    "TRAIN.WARMUP_ITERS": NATURAL,
    "TRAIN.WARMUP_FACTOR": SHARE,
    "TRAIN.ACCUMULATE": COUNT,
    "TRAIN.CLIP_NORM": NATURAL,
    "TRAIN.EMA": DECAY,
    "TRAIN.EMA_RAMP": NATURAL,
    "TRAIN.TEACHER_WEIGHT": SHARE,
    "TRAIN.GLOBAL_BATCH": NATURAL,
    "TRAIN.EVAL_PERIOD": NATURAL,
    "TRAIN.WORST": NATURAL,
    "TRAIN.CHECKPOINT_PERIOD": COUNT,
    "TRAIN.CHECKPOINT_ITERS": NATURAL,
    "TRAIN.KEEP_LAST": NATURAL,
    "TEST.BATCH_SIZE_PER_GPU": COUNT,
    "TEST.SOFT_ARGMAX_BETA": POSITIVE,
    "TEST.SAMPLES": NATURAL,
    "TEST.IMAGE_THRE": NATURAL,
    "TEST.IN_VIS_THRE": NATURAL,
    "TEST.OKS_THRE": SHARE,
    "TEST.SCALE_FACTOR": POSITIVE,
    "TEST.DETECTION_THRESHOLD": NATURAL,
    "TEST.TAG_THRESHOLD": POSITIVE,
    "TEST.NMS_KERNEL": COUNT,
    "TEST.NMS_PADDING": NATURAL,
    **{f"DATASET.PHOTOMETRIC.{name}.PROB": Bounds(-1, 1) for name in PHOTOMETRIC},
    **{f"DATASET.PHOTOMETRIC.{name}.RANGE": bounds for name, bounds in PHOTOMETRIC.items()},
}
ANY = ("TEST.BIAS", "DATASET.SIGMA")  # DATASET.SIGMA has a rule of its own

# Of the numbers in MODEL.EXTRA, by the last part of their names; all others must not be negative.
EXTRA = {
    **dict.fromkeys(("DROP_PATH_RATE", "DROP_PATH"), DECAY),
    **dict.fromkeys(("NMS", "POS_FRACTION", "FG_IOU", "SCORE_THRESH", "OKS_NMS"), SHARE),
    **dict.fromkeys(("ENLARGE", "STD", "MLP_RATIO", "NUM_MLP_RATIOS", "DEEPEN_FACTOR"), POSITIVE),
    "WIDEN_FACTOR": POSITIVE,
    **dict.fromkeys(("LEVEL", "OUT_INDICES"), Bounds()),  # counted from the last map below 0
    **dict.fromkeys(("NUM_BASIC_BLOCKS", "NUM_DECONVS", "NECK_CHANNELS", "NECK_REPEATS"), NATURAL),
}
EXTRA_COUNTS = (  # what layers are made of: endings of names
    "CHANNELS", "BLOCKS", "MODULES", "HEADS", "SIZES", "SIZE", "FILTERS", "KERNELS", "KERNEL",
    "DIMS", "DIM", "DEPTHS", "DEPTH", "POOL", "WIDTH", "WINDOW", "REPEATS", "CONVS", "EVERY",
    "BATCH", "_TRAIN", "_TEST", "MAX", "DETECTIONS", "STRIDE",
)  # fmt: skip
ODD = ("FINAL_CONV_KERNEL", "FINAL_KERNEL", "KERNEL")  # an even one would change a map's size


def check_bounds(cfg: CfgNode) -> str | None:
    """Return a complaint about the first number that lies outside its bounds, None if none does."""
    for path, value in numbers(cfg):
        bounds = bounds_of(path)
        if not bounds.holds(value):
            return f"{path} must be {bounds}, got {value:g}."
        if path.startswith("MODEL.EXTRA.") and _name(path) in ODD and value % 2 == 0:
            return f"{path} must be odd, got {value:g}."
    return None


def numbers(node: CfgNode, prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield path and value of every number in a tree, also of those in lists."""
    for key, value in node.items():
        path = f"{prefix}{key}"
        if isinstance(value, CfgNode):
            yield from numbers(value, f"{path}.")
        else:
            yield from ((path, item) for item in _flat(value))


def _flat(value: Any) -> Iterator[float]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _flat(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def bounds_of(path: str) -> Bounds:
    """Return between which numbers the value of a key may lie."""
    if not path.startswith("MODEL.EXTRA."):
        return KEYS.get(path, Bounds())
    name = _name(path)
    return EXTRA.get(name) or (COUNT if name.endswith(EXTRA_COUNTS) else NATURAL)


def _name(path: str) -> str:
    return path.rpartition(".")[2]
