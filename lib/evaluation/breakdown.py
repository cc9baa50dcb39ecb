"""Scores split by joint and by size of the person, for tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lib.evaluation.curves import average_precision, precision_curves
from lib.evaluation.diagnosis import GOOD, JITTER, JOINT_ERRORS, Diagnosis, ImageErrors
from lib.evaluation.matching import (
    ALL_SIZES,
    Matches,
    match_images,
)
from lib.evaluation.pairs import similarities
from lib.structures.skeleton import Skeleton

SIZES = {
    "small (< 32²)": (0.0, 32.0**2),
    "medium (32² to 96²)": (32.0**2, 96.0**2),
    "large (96² to 192²)": (96.0**2, 192.0**2),
    "huge (> 192²)": (192.0**2, 1e10),
}


def joint_table(diagnosis: Diagnosis, skeleton: Skeleton) -> list[dict[str, Any]]:
    """Return one row per joint.

    Keys: ``joint``; ``labelled`` people who have it; ``AP`` with the joint alone as the pose;
    ``PCK`` share of joints of matched people that are near (similarity at least 0.5); ``error``
    median distance of those people's joints, in percent of the person's size (square root of the
    area); and the share of each kind of ``JOINT_ERRORS``.
    """
    sigmas = np.asarray(skeleton.sigmas, np.float64)
    images = [errors.image for errors in diagnosis.images]
    per_image = [similarities(image, sigmas) for image in images]
    table = []
    for k, name in enumerate(skeleton.joints):
        ignored = [image.crowd | ~image.visible[:, k] for image in images]
        found = match_images(images, [s[:, :, k] for s in per_image], ignored=ignored)
        counts = diagnosis.joint_counts[k]
        total = max(int(counts.sum()), 1)
        row = {
            "joint": name,
            "labelled": int(found.wanted.sum()),
            "AP": average_precision(found),
            "PCK": float(counts[[GOOD, JITTER]].sum() / total),
            "error": _median_distance(diagnosis.images, k),
        }
        shares = dict(zip(JOINT_ERRORS, (counts / total).tolist(), strict=True))
        table.append(row | shares)
    return table


def size_table(diagnosis: Diagnosis) -> list[dict[str, Any]]:
    """Return one row per range of person sizes: ``size``, ``people``, ``AP``, ``AP .5``, ``AR``."""
    images = [errors.image for errors in diagnosis.images]
    overlaps = [errors.overlaps for errors in diagnosis.images]
    table = []
    for name, size_range in {"all": ALL_SIZES, **SIZES}.items():
        found = match_images(images, overlaps, size_range=size_range)
        precision, recall = precision_curves(found)
        table.append(
            {
                "size": name,
                "people": int(found.wanted.sum()),
                "AP": float(precision.mean()),
                "AP .5": float(precision[0].mean()),
                "AR": float(recall.mean()),
            }
        )
    return table


def all_matches(diagnosis: Diagnosis) -> Matches:
    """Return the matches at the ten thresholds of AP, for curves and resampling."""
    return match_images(
        [errors.image for errors in diagnosis.images], [e.overlaps for e in diagnosis.images]
    )


def _median_distance(images: Sequence[ImageErrors], joint: int) -> float:
    """Return the median over matched people, in percent of the square root of their area."""
    shares = []
    for errors in images:
        people = np.nonzero(errors.kinds[:, joint] >= 0)[0]
        owners = errors.truth_index[people]
        offsets = errors.image.found[people, joint] - errors.image.truth[owners, joint]
        sizes = np.sqrt(np.maximum(errors.image.areas[owners], 1e-9))
        shares.append(np.linalg.norm(offsets, axis=1) / sizes)
    together = np.concatenate(shares or [np.zeros(0)])
    return float(100 * np.median(together)) if len(together) else float("nan")
