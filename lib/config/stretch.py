"""``TRAIN.STRETCH``: a recipe made longer or shorter by one factor."""

from __future__ import annotations

import math

from yacs.config import CfgNode

from lib.config.variants import Entry
from lib.utils.errors import ConfigError

# Points in time, in epochs or iterations; warm-up and periods stay as they are.
POINTS = (
    "TRAIN.BEGIN_EPOCH",
    "TRAIN.END_EPOCH",
    "TRAIN.MAX_ITER",
    "TRAIN.LR_STEP",
    "TRAIN.FREEZE_UNTIL",
    "DATASET.STAGES",
)


def stretch(cfg: CfgNode, source: str) -> None:
    """Multiply the points in time of a recipe, and set the factor to 1, so that it acts once.

    Raises:
        ConfigError: the factor is not above 0, or so small that points would coincide.
    """
    train, factor = cfg.TRAIN, cfg.TRAIN.STRETCH
    if factor == 1.0:
        return
    if not factor > 0:
        raise ConfigError(f"{source}: TRAIN.STRETCH must be above 0, got {factor:g}.")
    for key in ("BEGIN_EPOCH", "END_EPOCH", "MAX_ITER", "FREEZE_UNTIL"):
        train[key] = _stretched(train[key], factor)
    train.LR_STEP = _all_stretched(list(train.LR_STEP), "TRAIN.LR_STEP", factor, source)
    cfg.DATASET.STAGES = _stages(cfg.DATASET.STAGES, "DATASET.STAGES", factor, source)
    for entry in cfg.DATASET.MIX:
        if "STAGES" in entry:
            key = f"DATASET.MIX.{entry['NAME']}.STAGES"
            entry["STAGES"] = _stages(entry["STAGES"], key, factor, source)
    train.STRETCH = 1.0


def _stages(entries: list[Entry], key: str, factor: float, source: str) -> list[Entry]:
    epochs = _all_stretched([entry["EPOCH"] for entry in entries], key, factor, source)
    return [{**entry, "EPOCH": epoch} for entry, epoch in zip(entries, epochs, strict=True)]


def _stretched(point: int, factor: float) -> int:
    """Return the nearest whole point; none of something becomes nothing, which means never."""
    return max(math.floor(point * factor + 0.5), 1) if point else 0


def _all_stretched(points: list[int], key: str, factor: float, source: str) -> list[int]:
    new = [_stretched(point, factor) for point in points]
    if len(set(new)) < len(set(points)):
        raise ConfigError(
            f"{source}: TRAIN.STRETCH {factor:g} makes {new} of {key} {points}; give them by hand, "
            "or stretch less."
        )
    return new
