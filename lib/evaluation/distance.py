"""Scores from distances: PCK, AUC, EPE and NME, each comparison and threshold named.

PCK: share of joints nearer than a share of a length (Yang and Ramanan 2013); strictly below, as
mmpose has it, unless ``inclusive``. AUC: mean PCK over thresholds. EPE: mean distance in pixels.
NME: mean distance as a share of a length. Axes: N people, K joints.
"""

from __future__ import annotations

import numpy as np

AUC_STEPS = 20
AUC_RANGE = 30.0  # pixels


def normalised_distances(
    found: np.ndarray, truth: np.ndarray, labelled: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """Return (N, K) distances as shares of lengths; NaN where unlabelled or a length is 0.

    Args:
        found: (N, K, 2) ``(x, y)`` in pixels; a person with non-finite numbers was not found and
            is infinitely far.
        truth: (N, K, 2) ``(x, y)`` in pixels.
        labelled: (N, K) bool.
        lengths: (N,) or (N, 2) pixels, of both axes or of each.
    """
    sizes = np.asarray(lengths, np.float64)
    sizes = np.broadcast_to(sizes[:, None] if sizes.ndim == 1 else sizes, (len(found), 2))
    known = labelled & (sizes > 0).all(axis=1, keepdims=True)
    shares = (found - truth) / np.where(sizes > 0, sizes, 1.0)[:, None]
    distances = np.linalg.norm(shares, axis=2)
    distances = np.where(np.isfinite(distances), distances, np.inf)
    return np.where(known, distances, np.nan)


def joint_shares(distances: np.ndarray, threshold: float, *, inclusive: bool = False) -> np.ndarray:
    """Return (K,) shares of known joints nearer than ``threshold``; NaN for a joint without any.

    Args:
        distances: (N, K), NaN where unknown.
        threshold: in the unit of the distances.
        inclusive: a joint exactly at the threshold counts, too.
    """
    known = ~np.isnan(distances)
    compare = np.less_equal if inclusive else np.less
    near = compare(np.where(known, distances, np.inf), threshold) & known
    counts = known.sum(axis=0)
    return np.where(counts > 0, near.sum(axis=0) / np.maximum(counts, 1), np.nan)


def pck(distances: np.ndarray, threshold: float, *, inclusive: bool = False) -> float:
    """Return the mean of ``joint_shares`` over the joints that have any; NaN without.

    Joints count alike, however often they are labelled. Arguments as for ``joint_shares``.
    """
    return _mean(joint_shares(distances, threshold, inclusive=inclusive))


def area_under_curve(
    distances: np.ndarray, reach: float = AUC_RANGE, steps: int = AUC_STEPS
) -> float:
    """Return the mean PCK over the thresholds 0, 1/steps, ..., (steps - 1)/steps of ``reach``.

    Args:
        distances: (N, K) in the unit of ``reach``, NaN where unknown.
        reach: threshold that would be the last; it is not included.
        steps: number of thresholds.
    """
    return float(np.mean([pck(distances, reach * step / steps) for step in range(steps)]))


def mean_distance(distances: np.ndarray) -> float:
    """Return the mean over all known joints of people who were found: EPE or NME; NaN without."""
    return _mean(np.where(np.isinf(distances), np.nan, distances))


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
