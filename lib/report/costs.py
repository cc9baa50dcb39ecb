"""Parameters and cost of an experiment, from its YAML alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib.config import load_config


def summarise(
    path: str | Path, overrides: Sequence[str] = (), rois: int | None = None
) -> dict[str, Any]:
    """Return file, sizes, integers, and the published table's figure of one experiment.

    Args:
        path: the YAML file.
        overrides: as those of ``load_config``.
        rois: people per image, for a network whose cost depends on them.
    """
    import torch

    from lib.models import build_model, complexity
    from lib.models.cost import table_figure
    from lib.models.registry import RECIPES

    cfg = load_config(path, overrides)
    recipe = RECIPES[cfg.MODEL.NAME]
    with torch.device("meta"):
        model = build_model(cfg)
    width, height = cfg.MODEL.IMAGE_SIZE
    if recipe.task == "bottomup":
        width = height = cfg.DATASET.INPUT_SIZE
    height, width = getattr(model, "cost_size", (height, width))
    by_region = rois if hasattr(model, "cost_forward") else None
    cost = complexity(model, (height, width), by_region)
    table = table_figure(cost, recipe.table)
    size = f"{height}x{width}"
    return {"cfg": str(path), "input": size, **cost, "table": table, "convention": recipe.table}
