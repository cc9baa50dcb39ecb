"""How much a score hangs on sigmas: AP at half and at double, and a warning where they are assumed.

Halving all sigmas asks for poses twice as exact, so AP falls; two runs should keep their order.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence

import numpy as np

from lib.evaluation.curves import average_precision
from lib.evaluation.diagnosis import Diagnosis, find_errors
from lib.evaluation.matching import match_images
from lib.structures.skeleton import DEFAULT_SIGMA, Skeleton, is_shipped

logger = logging.getLogger(__name__)

FACTORS = (0.5, 1.0, 2.0)


def ap_at_sigmas(
    diagnosis: Diagnosis, skeleton: Skeleton, factors: Sequence[float] = FACTORS
) -> list[float]:
    """Return AP with all sigmas of the skeleton times each factor.

    Args:
        diagnosis: poses of a split, by ``diagnose``.
        skeleton: mirror pairs and spreads.
        factors: of the sigmas.
    """
    images = [errors.image for errors in diagnosis.images]
    found = []
    for factor in factors:
        sigmas = factor * np.asarray(skeleton.sigmas, np.float64)
        overlaps = [find_errors(image, sigmas, skeleton.flip_index).overlaps for image in images]
        found.append(average_precision(match_images(images, overlaps)))
    return found


def assumed_joints(skeleton: Skeleton) -> list[str]:
    """Return the joints whose sigma is the default, which nobody has measured."""
    if is_shipped(skeleton):
        return []
    pairs = zip(skeleton.joints, skeleton.sigmas, strict=True)
    return [joint for joint, sigma in pairs if sigma == DEFAULT_SIGMA]


def warn_of_assumed(skeleton: Skeleton) -> None:
    """Say once where a score rests on sigmas that nobody has measured."""
    joints = assumed_joints(skeleton)
    if joints:
        _warn(tuple(joints))


@functools.cache  # once, not with every evaluation of a training
def _warn(joints: tuple[str, ...]) -> None:
    logger.warning(
        "AP rests on the sigma %g for %s, which nobody has measured: compare it with AP of the "
        "same data and sigmas only. tools/data/sigmas.py measures them from repeated annotations.",
        DEFAULT_SIGMA,
        ", ".join(joints),
    )
