"""The evaluators of others, pycocotools and faster-coco-eval: oracles, and masks.

They take a data set and result rows as dictionaries, which they may change, and print tables with
-1.000 in them; those go to the log at its debug level.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from lib.evaluation.coco_files import Rows
from lib.utils.errors import ConfigError

logger = logging.getLogger(__name__)

PACKAGES = {"pycocotools": "pycocotools", "fast": "faster_coco_eval"}
EVALUATORS = ("own", *PACKAGES)


def run_package(
    dataset: dict[str, Any],
    rows: Rows,
    iou_type: str,
    evaluator: str,
    *,
    sigmas: np.ndarray | None = None,
    image_ids: Sequence[Any] | None = None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Run the COCO evaluation of a package on prepared data, which it may change.

    Args:
        dataset: completed data set.
        rows: checked result rows.
        iou_type: ``"keypoints"``, ``"bbox"`` or ``"segm"``.
        evaluator: one of ``PACKAGES``.
        sigmas: (K,) for keypoints.
        image_ids: score these images only.

    Returns:
        The 10 numbers of poses or 12 of boxes, NaN for absent ones; and the arrays ``precision``
        (thresholds, recalls, categories, area ranges, head counts) and ``recall``, -1 for absent
        ones.

    Raises:
        ConfigError: unknown ``evaluator``, or its package is not installed.
    """
    coco_module, eval_class = _implementation(evaluator)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        truth = coco_module.COCO()
        truth.dataset = dataset
        truth.createIndex()
        found = truth.loadRes(rows) if rows else _no_results(coco_module, dataset)
        run = eval_class(truth, found, iou_type)
        run.print_function = print  # faster-coco-eval would log its table beside ours
        if sigmas is not None:
            run.params.kpt_oks_sigmas = sigmas
        if image_ids is not None:
            run.params.imgIds = sorted(set(image_ids))
        run.evaluate()
        run.accumulate()
        run.summarize()
    logger.debug("%s:\n%s", evaluator, printed.getvalue())
    stats = np.asarray(run.stats, np.float64)[: 10 if iou_type == "keypoints" else 12]
    return np.where(stats < 0, np.nan, stats), run.eval


def check_evaluator(evaluator: str) -> None:
    """Refuse a name that is no evaluator's.

    Raises:
        ConfigError: with the known ones.
    """
    if evaluator not in EVALUATORS:
        raise ConfigError(f"TEST.EVALUATOR must be one of {EVALUATORS}, got '{evaluator}'.")


def _implementation(evaluator: str) -> tuple[ModuleType, Any]:
    check_evaluator(evaluator)
    package = PACKAGES[evaluator]
    try:
        if evaluator == "pycocotools":
            module = importlib.import_module("pycocotools.cocoeval")
            return importlib.import_module("pycocotools.coco"), module.COCOeval
        module = importlib.import_module(package)
        return module, module.COCOeval_faster
    except ImportError as error:
        name = package.replace("_", "-")
        raise ConfigError(
            f"TEST.EVALUATOR '{evaluator}' needs the package {name} ({error}): "
            f"pip install {name}, or choose 'own'."
        ) from error


def _no_results(coco_module: ModuleType, dataset: dict[str, Any]) -> Any:
    """Return the index of zero results: pycocotools' own reader wants at least one."""
    found = coco_module.COCO()
    found.dataset = {**dataset, "annotations": []}
    found.createIndex()
    return found
