"""Average precision and recall of poses and boxes by the COCO rules (Lin et al. 2014).

The reference implementation is pycocotools; ``faster-coco-eval`` (optional extra ``fast``) gives
the same numbers sooner. Differs from calling pycocotools: nothing is printed, the caller's data is
not changed, an area range without ground truth is NaN instead of -1, and no results at all score
0 instead of failing.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from lib.evaluation.coco_files import (
    Rows,
    check_numbers,
    check_results,
    complete_poses,
    pose_skeleton,
    read_ground_truth,
    read_results,
)
from lib.utils.errors import ConfigError, DataError

POSE_METRICS = (
    *("AP", "AP .5", "AP .75", "AP (M)", "AP (L)"),
    *("AR", "AR .5", "AR .75", "AR (M)", "AR (L)"),
)
BOX_METRICS = (
    *("AP", "AP .5", "AP .75", "AP (S)", "AP (M)", "AP (L)"),
    *("AR 1", "AR 10", "AR 100", "AR (S)", "AR (M)", "AR (L)"),
)
EVALUATORS = ("pycocotools", "fast")


def evaluate_coco(
    gt_json: str | Path | dict[str, Any],
    results_json_or_list: str | Path | Rows,
    sigmas: Sequence[float] | None = None,
    *,
    evaluator: str = "pycocotools",
    image_ids: Sequence[int] | None = None,
) -> dict[str, float]:
    """Score poses by object keypoint similarity, at most 20 per image.

    Args:
        gt_json: COCO annotation file, or its content. Any joint count; without ``area`` a person
            covers 0.53 of its box.
        results_json_or_list: results file, or its rows: ``image_id``, ``category_id``,
            ``keypoints`` (x, y, score of K joints), ``score``, and ``bbox`` if the area of a
            result is to be its box's instead of its joints' extent.
        sigmas: K spreads; by default those of the annotated joints' data set.
        evaluator: ``"pycocotools"`` or ``"fast"``.
        image_ids: score these images only.

    Returns:
        AP, AP .5, AP .75, AP (M), AP (L), AR, AR .5, AR .75, AR (M), AR (L) in [0, 1]; NaN where
        the ground truth has nothing to find.

    Raises:
        DataError: a file is missing, damaged, or does not fit the other one.
        ConfigError: unknown ``evaluator``, or its package is not installed.
    """
    dataset, rows, spreads = prepare_poses(gt_json, results_json_or_list, sigmas)
    stats, _ = run_coco(dataset, rows, "keypoints", spreads, evaluator, image_ids)
    return dict(zip(POSE_METRICS, stats.tolist(), strict=True))


def evaluate_coco_boxes(
    gt_json: str | Path | dict[str, Any],
    results_json_or_list: str | Path | Rows,
    *,
    iou_type: str = "bbox",
    evaluator: str = "pycocotools",
    image_ids: Sequence[int] | None = None,
) -> dict[str, float]:
    """Score boxes (rows with ``bbox``: x, y, width, height) or masks by intersection over union.

    Args:
        gt_json: COCO annotation file, or its content.
        results_json_or_list: results file, or its rows.
        iou_type: ``"bbox"`` or ``"segm"`` (rows with a run-length ``segmentation``).
        evaluator: ``"pycocotools"`` or ``"fast"``.
        image_ids: score these images only.

    Returns:
        AP, AP .5, AP .75, AP (S), AP (M), AP (L), AR 1, AR 10, AR 100, AR (S), AR (M), AR (L).

    Raises:
        DataError: a file is missing, damaged, or does not fit the other one.
        ConfigError: unknown ``evaluator``, or its package is not installed.
    """
    dataset = _annotated(gt_json)
    rows = [dict(row) for row in read_results(results_json_or_list)]
    check_results(rows, {image["id"] for image in dataset["images"]})
    if iou_type == "bbox":
        check_numbers(rows, "bbox", 4)
    annotations = [
        {**row, "id": number + 1, "iscrowd": row.get("iscrowd", 0)}
        for number, row in enumerate(dataset["annotations"])
    ]
    dataset = {**dataset, "annotations": annotations}
    stats, _ = run_coco(dataset, rows, iou_type, None, evaluator, image_ids)
    return dict(zip(BOX_METRICS, stats.tolist(), strict=True))


def prepare_poses(
    gt_json: str | Path | dict[str, Any],
    results_json_or_list: str | Path | Rows,
    sigmas: Sequence[float] | None,
) -> tuple[dict[str, Any], Rows, np.ndarray]:
    """Return checked, completed copies: the data set's poses, the result rows, and K sigmas.

    Raises:
        DataError: see ``evaluate_coco``.
    """
    dataset = _annotated(gt_json)
    if sigmas is None:
        sigmas = pose_skeleton(dataset).sigmas
    joints = len(sigmas)
    poses = [c["id"] for c in dataset["categories"] if c.get("keypoints", True)]
    annotations = [a for a in dataset["annotations"] if a.get("category_id") in poses]
    rows = [dict(row) for row in read_results(results_json_or_list)]
    check_results(rows, {image["id"] for image in dataset["images"]})
    check_numbers(rows, "keypoints", 3 * joints)
    if rows and not rows[0].get("bbox"):  # pycocotools, too, asks the first row only
        _add_extents(rows)
    check_numbers(rows, "bbox", 4)
    completed = {**dataset, "annotations": complete_poses(annotations, joints)}
    return completed, rows, np.asarray(sigmas, np.float64)


def run_coco(
    dataset: dict[str, Any],
    rows: Rows,
    iou_type: str,
    sigmas: np.ndarray | None = None,
    evaluator: str = "pycocotools",
    image_ids: Sequence[int] | None = None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Run the COCO evaluation on prepared data, which it may change.

    Args:
        dataset: completed data set.
        rows: checked result rows.
        iou_type: ``"keypoints"``, ``"bbox"`` or ``"segm"``.
        sigmas: (K,) for keypoints.
        evaluator: ``"pycocotools"`` or ``"fast"``.
        image_ids: score these images only.

    Returns:
        The summary numbers, NaN for absent ones; and the arrays ``precision`` (thresholds,
        recalls, categories, area ranges, head counts) and ``recall``, -1 for absent ones.

    Raises:
        ConfigError: unknown ``evaluator``, or its package is not installed.
    """
    coco_module, eval_class = _implementation(evaluator)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco_module.COCO()
        truth.dataset = dataset
        truth.createIndex()
        found = truth.loadRes(rows) if rows else _no_results(coco_module, dataset)
        run = eval_class(truth, found, iou_type)
        if sigmas is not None:
            run.params.kpt_oks_sigmas = sigmas
        if image_ids is not None:
            run.params.imgIds = sorted(set(image_ids))
        run.evaluate()
        run.accumulate()
        run.summarize()
    stats = np.asarray(run.stats, np.float64)[: len(_metrics(iou_type))]
    return np.where(stats < 0, np.nan, stats), run.eval


def _metrics(iou_type: str) -> tuple[str, ...]:
    return POSE_METRICS if iou_type == "keypoints" else BOX_METRICS


def _annotated(gt_json: str | Path | dict[str, Any]) -> dict[str, Any]:
    dataset = read_ground_truth(gt_json)
    if dataset["annotations"] is None:
        raise DataError("The ground truth has no 'annotations': a test split cannot be scored.")
    return dataset


def _add_extents(rows: Rows) -> None:
    """Give every row the box around its joints, as pycocotools would, but all rows at once."""
    points = np.array([row["keypoints"] for row in rows], np.float64).reshape(len(rows), -1, 3)
    low, high = points[..., :2].min(axis=1), points[..., :2].max(axis=1)
    for row, box in zip(rows, np.concatenate([low, high - low], axis=1).tolist(), strict=True):
        row["bbox"] = box


def _implementation(evaluator: str) -> tuple[ModuleType, Any]:
    if evaluator not in EVALUATORS:
        raise ConfigError(f"TEST.EVALUATOR must be one of {EVALUATORS}, got '{evaluator}'.")
    package = "pycocotools" if evaluator == "pycocotools" else "faster_coco_eval"
    try:
        if evaluator == "pycocotools":
            module = importlib.import_module("pycocotools.cocoeval")
            return importlib.import_module("pycocotools.coco"), module.COCOeval
        module = importlib.import_module("faster_coco_eval")
        return module, module.COCOeval_faster
    except ImportError as error:
        raise ConfigError(
            f"TEST.EVALUATOR '{evaluator}' needs the package {package} ({error}): "
            "pip install faster-coco-eval, or choose 'pycocotools'."
        ) from error


def _no_results(coco_module: ModuleType, dataset: dict[str, Any]) -> Any:
    """Return the index of zero results: pycocotools' own reader wants at least one."""
    found = coco_module.COCO()
    found.dataset = {**dataset, "annotations": []}
    found.createIndex()
    return found
