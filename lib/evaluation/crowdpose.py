"""The nine CrowdPose numbers (Li et al. 2019), by the COCO rules with another area and subsets.

A person's size is 0.53 of its box's area; images are easy, medium or hard by their crowd index.
The AP of a subset is, as in the published evaluation, the plain mean of its whole precision table
rounded to 4 digits: entries without ground truth count as -1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lib.annotations.areas import BOX_SHARE
from lib.annotations.form import Annotations
from lib.evaluation.coco import pose_scores
from lib.evaluation.coco_evaluator import CocoEvaluator
from lib.evaluation.coco_files import GroundTruth, Rows, read_results, read_truth
from lib.utils.errors import DataError

SUBSETS = {"easy": (0.0, 0.2), "medium": (0.2, 0.8), "hard": (0.8, np.inf)}
CROWDPOSE_METRICS = (
    "AP", "AP .5", "AP .75", "AR", "AR .5", "AR .75",
    "AP (easy)", "AP (medium)", "AP (hard)",
)  # fmt: skip


def evaluate_crowdpose(
    gt_json: GroundTruth,
    results_json_or_list: str | Path | Rows,
    sigmas: Sequence[float] | None = None,
    *,
    evaluator: str = "own",
) -> dict[str, float]:
    """Score poses on CrowdPose; arguments as for ``evaluate_coco``.

    Returns:
        AP, AP .5, AP .75, AR, AR .5, AR .75, AP (easy), AP (medium), AP (hard); NaN for a subset
        without images.

    Raises:
        DataError: a file is missing or damaged, or an image has no ``crowdIndex``.
    """
    truth = with_box_areas(read_truth(gt_json, sigmas))
    rows = read_results(results_json_or_list)
    stats, _ = pose_scores(truth, rows, sigmas, evaluator)
    values = stats[[0, 1, 2, 5, 6, 7]].tolist()
    for image_ids in _split_images(truth).values():
        if not image_ids:
            values.append(float("nan"))
            continue
        _, precision = pose_scores(truth, rows, sigmas, evaluator, image_ids)
        values.append(round(float(np.mean(precision[..., 0, :])), 4))
    return dict(zip(CROWDPOSE_METRICS, values, strict=True))


class CrowdPoseEvaluator(CocoEvaluator):
    """``CocoEvaluator`` that scores with ``evaluate_crowdpose``."""

    def score(self, rows: Rows) -> dict[str, float]:
        """Return the nine numbers of result rows."""
        return evaluate_crowdpose(self.truth, rows, self.skeleton.sigmas, evaluator=self.evaluator)


def with_box_areas(truth: Annotations) -> Annotations:
    """Return people whose area is 0.53 of their box, whatever the file says."""
    return replace(truth, areas=BOX_SHARE * truth.boxes[:, 2:].prod(axis=1))


def _split_images(truth: Annotations) -> dict[str, list[Any]]:
    """Return the ids of the images of each subset."""
    index, images = truth.crowd_index, truth.images
    unknown = np.isnan(index)
    if unknown.any():
        label = images.label(int(unknown.argmax()))
        raise DataError(f"Image {label} has no 'crowdIndex': is this a CrowdPose file?")
    return {
        name: [images.label(n) for n in np.flatnonzero((index >= low) & (index < high)).tolist()]
        for name, (low, high) in SUBSETS.items()
    }
