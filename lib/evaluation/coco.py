"""Average precision and recall of poses and boxes by the COCO rules (Lin et al. 2014).

The reference implementation is pycocotools; ours gives its numbers in a tenth of the time, and
``evaluator="pycocotools"`` asks the reference itself. Differs from calling pycocotools: nothing is
printed, the caller's data is not changed, an area range without ground truth is NaN instead of -1,
and no results at all score 0 instead of failing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lib.annotations.form import Annotations, coco_ground_truth
from lib.annotations.objects import read_objects
from lib.evaluation.coco_files import (
    GroundTruth,
    Rows,
    check_results,
    match_results,
    read_results,
    read_truth,
)
from lib.evaluation.matching import Candidates, pose_candidates
from lib.evaluation.packages import EVALUATORS, check_evaluator, run_package
from lib.evaluation.pairs import NEAR, box_overlaps, similar_pairs
from lib.evaluation.summary import (
    BOX_METRICS,
    BOX_SIZES,
    POSE_METRICS,
    box_numbers,
    coco_tables,
    pose_numbers,
)
from lib.evaluation.table import find_cells, matrix, pose_table, result_columns, sort_cells

__all__ = ["BOX_METRICS", "EVALUATORS", "POSE_METRICS", "evaluate_coco", "evaluate_coco_boxes"]

BOX_COUNTS = (1, 10, 100)  # best boxes of an image that count


def evaluate_coco(
    gt_json: GroundTruth,
    results_json_or_list: str | Path | Rows,
    sigmas: Sequence[float] | None = None,
    *,
    evaluator: str = "own",
    image_ids: Sequence[Any] | None = None,
) -> dict[str, float]:
    """Score poses by object keypoint similarity, at most 20 per image and category.

    Args:
        gt_json: COCO annotation file, its content, or what was read of it. Any joint count; without
            ``area`` a person covers 0.53 of its box. Of several categories each is scored alone,
            and the mean taken; of what was read for a task they are one.
        results_json_or_list: results file, or its rows: ``image_id``, ``category_id``,
            ``keypoints`` (x, y, score of K joints), ``score``, and ``bbox`` if the area of a
            result is to be its box's instead of its joints' extent.
        sigmas: K spreads; by default those of the annotated joints' data set.
        evaluator: ``"own"``, ``"pycocotools"`` or ``"fast"`` (faster-coco-eval).
        image_ids: score these images only.

    Returns:
        AP, AP .5, AP .75, AP (M), AP (L), AR, AR .5, AR .75, AR (M), AR (L) in [0, 1]; NaN where
        the ground truth has nothing to find.

    Raises:
        DataError: a file is missing, damaged, or does not fit the other one.
        ConfigError: unknown ``evaluator``, or its package is not installed.
    """
    stats, _ = pose_scores(gt_json, results_json_or_list, sigmas, evaluator, image_ids)
    return dict(zip(POSE_METRICS, stats.tolist(), strict=True))


def evaluate_coco_boxes(
    gt_json: GroundTruth,
    results_json_or_list: str | Path | Rows,
    *,
    iou_type: str = "bbox",
    evaluator: str = "own",
    image_ids: Sequence[Any] | None = None,
) -> dict[str, float]:
    """Score boxes (rows with ``bbox``: x, y, width, height) or masks by intersection over union.

    Args:
        gt_json: COCO annotation file, or its content: objects of all categories; or what was read
            of it: people.
        results_json_or_list: results file, or its rows.
        iou_type: ``"bbox"`` or ``"segm"`` (rows with a run-length ``segmentation``; scored by
            pycocotools unless ``evaluator`` is ``"fast"``).
        evaluator: ``"own"``, ``"pycocotools"`` or ``"fast"`` (faster-coco-eval).
        image_ids: score these images only.

    Returns:
        AP, AP .5, AP .75, AP (S), AP (M), AP (L), AR 1, AR 10, AR 100, AR (S), AR (M), AR (L).

    Raises:
        DataError: a file is missing, damaged, or does not fit the other one.
        ConfigError: unknown ``evaluator``, or its package is not installed.
    """
    check_evaluator(evaluator)
    rows = read_results(results_json_or_list)
    if isinstance(gt_json, Annotations):
        dataset, rows = coco_ground_truth(read_truth(gt_json)), match_results(rows, gt_json)
    else:
        dataset = read_objects(gt_json)
    if iou_type == "bbox":
        candidates = _box_candidates(dataset, rows, image_ids)
        if evaluator == "own":
            stats = box_numbers(*coco_tables(candidates, BOX_SIZES, BOX_COUNTS))
            return dict(zip(BOX_METRICS, stats.tolist(), strict=True))
    check_results(rows, {image["id"] for image in dataset["images"]})
    rows = [dict(row) for row in rows]
    package = "pycocotools" if evaluator == "own" else evaluator
    stats, _ = run_package(dataset, rows, iou_type, package, image_ids=image_ids)
    return dict(zip(BOX_METRICS, stats.tolist(), strict=True))


def pose_scores(
    gt_json: GroundTruth,
    results_json_or_list: str | Path | Rows,
    sigmas: Sequence[float] | None,
    evaluator: str = "own",
    image_ids: Sequence[Any] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ten numbers and the precision table; arguments as for ``evaluate_coco``.

    Returns:
        numbers (10,), NaN for absent ones; precision (thresholds, recalls, categories, area
        ranges, 1), -1 for absent ones as the reference has it.
    """
    check_evaluator(evaluator)
    truth = read_truth(gt_json, sigmas)
    spreads = np.asarray(truth.skeleton.sigmas if sigmas is None else sigmas, np.float64)
    rows = match_results(read_results(results_json_or_list), truth)
    table = pose_table(truth, rows)
    if evaluator == "own":
        chosen = table if image_ids is None else table.select_images(image_ids)
        precision, recall = coco_tables(pose_candidates(chosen, spreads))
        return pose_numbers(precision, recall), np.where(np.isnan(precision), -1.0, precision)
    dataset, rows = coco_ground_truth(truth), [dict(row) for row in rows]
    if rows and not rows[0].get("bbox"):
        _add_extents(rows)
    stats, tables = run_package(
        dataset, rows, "keypoints", evaluator, sigmas=spreads, image_ids=image_ids
    )
    return stats, tables["precision"]


def numbers_of(candidates: Candidates) -> dict[str, float]:
    """Return the ten numbers of poses by name; NaN where there is nothing to find."""
    return dict(zip(POSE_METRICS, pose_numbers(*coco_tables(candidates)).tolist(), strict=True))


def _box_candidates(
    dataset: dict[str, Any], rows: Rows, image_ids: Sequence[Any] | None
) -> Candidates:
    """Return the candidates of boxes, at most 100 found ones of an image and category."""
    ids = sorted({image["id"] for image in dataset["images"]})
    categories = sorted({category["id"] for category in dataset["categories"]})
    chosen = set(ids if image_ids is None else image_ids)
    truths = [row for row in dataset["annotations"] if row["image_id"] in chosen]
    images, kinds = [row["image_id"] for row in truths], [row["category_id"] for row in truths]
    truth_cell = find_cells(images, kinds, ids, categories)
    order = sort_cells(truth_cell)
    crowd = np.array([bool(row.get("iscrowd", 0)) for row in truths], bool)[order]
    areas = np.array([row["area"] for row in truths], np.float64)[order]
    boxes, truth_cell = matrix(truths, "bbox", 4)[order], truth_cell[order]
    found_cell, scores, found = result_columns(rows, ids, categories, "bbox", 4)
    order = sort_cells(found_cell, scores, BOX_COUNTS[-1])
    order = order[[rows[n]["image_id"] in chosen for n in order]]
    found, found_cell = found[order], found_cell[order]
    pairs = similar_pairs(
        found_cell, truth_cell, lambda d, g: box_overlaps(found[d], boxes[g], crowd[g]), NEAR
    )
    return Candidates(
        images=len(ids),
        categories=len(categories),
        areas=areas,
        crowd=crowd,
        ignored=crowd,
        truth_cell=truth_cell,
        scores=scores[order],
        found_areas=found[:, 2:].prod(axis=1),
        found_cell=found_cell,
        pairs=pairs,
    )


def _add_extents(rows: Rows) -> None:
    """Give every row the box around its joints: packages other than pycocotools want one."""
    points = np.array([row["keypoints"] for row in rows], np.float64).reshape(len(rows), -1, 3)
    low, high = points[..., :2].min(axis=1), points[..., :2].max(axis=1)
    for row, box in zip(rows, np.concatenate([low, high - low], axis=1).tolist(), strict=True):
        row["bbox"] = box
