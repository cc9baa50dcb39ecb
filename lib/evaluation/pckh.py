"""PCKh of MPII (Andriluka et al. 2014) in all forms in use, each comparison and threshold named.

The HRNet family counts a joint at the threshold (``<=``) and evaluates what it prints as
``Mean@0.1`` at 0.11; mmpose counts joints strictly below it (``<``) and adds 1 to predictions, as
ours are 0-based and the file's are 1-based.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lib.evaluation.mpii import (
    LINEAGE_TENTH,
    UNSCORED_JOINTS,
    MpiiTruth,
    evaluate_mpii,
    head_distances,
    joint_percentages,
)
from lib.structures.skeleton import load_skeleton

MPII_MEAN = "Mean"
THRESHOLDS = (0.5, LINEAGE_TENTH, 0.1)  # head sizes


def pckh_numbers(predictions: np.ndarray, truth: MpiiTruth) -> dict[str, float]:
    """Return the numbers of ``evaluate_mpii``, and the mean in all forms in use.

    Args:
        predictions: (N, 16, 2) ``(x, y)`` in 0-based pixels.
        truth: ground truth of the N people.
    """
    numbers = evaluate_mpii(predictions, truth)
    for threshold in THRESHOLDS:
        for sign in ("<=", "<"):
            name = f"Mean@{threshold:.2f} ({sign})"
            numbers[name] = pckh_mean(predictions, truth, threshold, inclusive=sign == "<=")
    return numbers


def pckh_mean(
    predictions: np.ndarray, truth: MpiiTruth, threshold: float, *, inclusive: bool
) -> float:
    """Return the percent of labelled joints, pelvis and thorax left out, near enough.

    Args:
        predictions: (N, 16, 2) ``(x, y)`` in 0-based pixels.
        truth: ground truth of the N people.
        threshold: in head sizes.
        inclusive: a joint at the threshold counts, too.
    """
    hits, counts = person_hits(predictions, truth, threshold, inclusive=inclusive)
    return 100 * float(hits.sum() / counts.sum()) if counts.sum() else float("nan")


def person_hits(
    predictions: np.ndarray, truth: MpiiTruth, threshold: float = 0.5, *, inclusive: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) joints near enough and (N,) labelled joints of every person that are scored."""
    scored = truth.visible.copy()
    scored[:, list(UNSCORED_JOINTS)] = False
    distances = head_distances(predictions, truth)
    near = distances <= threshold if inclusive else distances < threshold
    return (near & scored).sum(axis=1), scored.sum(axis=1)


def pckh_joints(predictions: np.ndarray, truth: MpiiTruth) -> list[dict[str, Any]]:
    """Return one row per joint: ``joint``, ``labelled``, ``PCKh@0.5`` and ``PCKh@0.1``."""
    distances = head_distances(predictions, truth)
    half, tenth = (joint_percentages(distances, truth.visible, at) for at in (0.5, 0.1))
    columns = zip(
        load_skeleton("mpii").joints,
        truth.visible.sum(axis=0).tolist(),
        half.tolist(),
        tenth.tolist(),
        strict=True,
    )
    names = ("joint", "labelled", "PCKh@0.5", "PCKh@0.1")
    return [dict(zip(names, row, strict=True)) for row in columns]
