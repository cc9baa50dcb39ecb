"""Steadiness of poses in videos: jitter, and the error of the acceleration.

Both are finite differences over consecutive frames of one track: the acceleration is the second,
``p[t-1] - 2 p[t] + p[t+1]``, in pixels per frame squared (Kanazawa et al. 2019, "Learning 3D Human
Dynamics from Video", Sec. 5); jitter is the third difference (the jerk) of the predictions alone,
in pixels per frame cubed. Axes: F frames, K joints.
"""

from __future__ import annotations

import numpy as np


def differences(points: np.ndarray, labelled: np.ndarray, order: int) -> np.ndarray:
    """Return (F - order, K) lengths of finite differences; NaN where a joint is missing in between.

    Args:
        points: (F, K, 2) ``(x, y)`` in pixels, consecutive frames.
        labelled: (F, K) bool.
        order: 1 for velocities, 2 for accelerations, 3 for jerks.
    """
    known = np.where(labelled[..., None], points, np.nan)
    if len(known) <= order:
        return np.zeros((0, points.shape[1]))
    return np.linalg.norm(np.diff(known, n=order, axis=0), axis=2)


def acceleration_errors(found: np.ndarray, truth: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """Return (F - 2, K) lengths of the difference of both accelerations; NaN where unknown.

    Args:
        found: (F, K, 2) ``(x, y)`` in pixels, NaN in frames in which the person was not found.
        truth: (F, K, 2) ``(x, y)`` in pixels.
        labelled: (F, K) bool.
    """
    return differences(found - truth, labelled, 2)


def jitter(found: np.ndarray) -> np.ndarray:
    """Return (F - 3, K) lengths of the jerk of predictions (F, K, 2); NaN where not found."""
    return differences(found, np.asarray(np.isfinite(found).all(axis=2)), 3)
