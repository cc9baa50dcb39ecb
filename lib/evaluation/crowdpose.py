"""The nine CrowdPose numbers (Li et al. 2019), by the COCO rules with another area and subsets.

A person's size is 0.53 of its box's area; images are easy, medium or hard by their crowd index.
The AP of a subset is, as in the published evaluation, the plain mean of its whole precision table
rounded to 4 digits: entries without ground truth count as -1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lib.evaluation.coco import prepare_poses, run_coco
from lib.evaluation.coco_evaluator import CocoEvaluator
from lib.evaluation.coco_files import CROWDPOSE_AREA, Rows
from lib.utils.errors import DataError

SUBSETS = {"easy": (0.0, 0.2), "medium": (0.2, 0.8), "hard": (0.8, np.inf)}
CROWDPOSE_METRICS = (
    *("AP", "AP .5", "AP .75", "AR", "AR .5", "AR .75"),
    *("AP (easy)", "AP (medium)", "AP (hard)"),
)


def evaluate_crowdpose(
    gt_json: str | Path | dict[str, Any],
    results_json_or_list: str | Path | Rows,
    sigmas: Sequence[float] | None = None,
    *,
    evaluator: str = "pycocotools",
) -> dict[str, float]:
    """Score poses on CrowdPose; arguments as for ``evaluate_coco``.

    Returns:
        AP, AP .5, AP .75, AR, AR .5, AR .75, AP (easy), AP (medium), AP (hard); NaN for a subset
        without images.

    Raises:
        DataError: a file is missing or damaged, or an image has no ``crowdIndex``.
    """
    dataset, rows, spreads = prepare_poses(gt_json, results_json_or_list, sigmas)
    use_box_areas(dataset["annotations"])
    subsets = _split_images(dataset["images"])
    stats, _ = run_coco(dataset, _copy(rows), "keypoints", spreads, evaluator)
    values = [*stats[[0, 1, 2, 5, 6, 7]].tolist()]
    for image_ids in subsets.values():
        if not image_ids:
            values.append(float("nan"))
            continue
        _, tables = run_coco(dataset, _copy(rows), "keypoints", spreads, evaluator, image_ids)
        values.append(round(float(np.mean(tables["precision"][..., 0, :])), 4))
    return dict(zip(CROWDPOSE_METRICS, values, strict=True))


class CrowdPoseEvaluator(CocoEvaluator):
    """``CocoEvaluator`` that scores with ``evaluate_crowdpose``."""

    def score(self, rows: Rows) -> dict[str, float]:
        """Return the nine numbers of result rows."""
        return evaluate_crowdpose(
            self.dataset, rows, self.skeleton.sigmas, evaluator=self.evaluator
        )


def use_box_areas(annotations: Rows) -> None:
    """Set the area of every annotated person to 0.53 of its box, in place."""
    for row in annotations:
        row["area"] = CROWDPOSE_AREA * row["bbox"][2] * row["bbox"][3]


def _split_images(images: Rows) -> dict[str, list[int]]:
    for image in images:
        if "crowdIndex" not in image:
            raise DataError(f"Image {image['id']} has no 'crowdIndex': is this a CrowdPose file?")
    return {
        name: [image["id"] for image in images if low <= image["crowdIndex"] < high]
        for name, (low, high) in SUBSETS.items()
    }


def _copy(rows: Rows) -> Rows:
    return [dict(row) for row in rows]
