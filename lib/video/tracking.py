"""People keep their number from frame to frame: matching by object keypoint similarity.

Every frame's people are assigned to known tracks so that the sum of OKS is largest (Kuhn 1955); the
similarity replaces box overlap in the usual tracking by detection (Bewley et al. 2016, SORT).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.evaluation.oks import oks_matrix


@dataclass
class _Track:
    number: int
    keypoints: np.ndarray
    area: float
    seen: int  # frame number


class OksTracker:
    """Gives people numbers, from 1.

    Args:
        sigmas: (K,) spreads of the joints, ``Skeleton.sigmas``. Consecutive frames differ by
            motion, not by an annotator's hand, so they are doubled here.
        min_oks: least similarity of the same person in two frames.
        patience: frames that a person may be out of sight.
        min_score: joints below it do not count.
    """

    def __init__(
        self,
        sigmas: tuple[float, ...],
        *,
        min_oks: float = 0.3,
        patience: int = 30,
        min_score: float = 0.2,
    ) -> None:
        self._sigmas = 2 * np.asarray(sigmas)
        self._min_oks = min_oks
        self._patience = patience
        self._min_score = min_score
        self._tracks: list[_Track] = []
        self._frame = -1
        self._last_number = 0

    def update(self, keypoints: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Return the numbers (N,) of the people of the next frame.

        Args:
            keypoints: (N, K, 2) ``(x, y)`` in image pixels.
            scores: (N, K) joint scores.
        """
        self._frame += 1
        self._tracks = [t for t in self._tracks if self._frame - t.seen <= self._patience]
        areas = pose_areas(keypoints)
        numbers = np.zeros(len(keypoints), np.int64)
        for row, column in self._matches(keypoints, scores, areas):
            track = self._tracks[row]
            track.keypoints, track.area = keypoints[column], float(areas[column])
            track.seen, numbers[column] = self._frame, track.number
        for column in np.nonzero(numbers == 0)[0]:
            self._last_number += 1
            numbers[column] = self._last_number
            self._tracks.append(
                _Track(self._last_number, keypoints[column], float(areas[column]), self._frame)
            )
        return numbers

    def _matches(
        self, keypoints: np.ndarray, scores: np.ndarray, areas: np.ndarray
    ) -> list[tuple[int, int]]:
        from scipy.optimize import linear_sum_assignment

        if not self._tracks or not len(keypoints):
            return []
        overlaps = oks_matrix(
            np.stack([track.keypoints for track in self._tracks]),
            keypoints,
            np.array([track.area for track in self._tracks]),
            areas,
            self._sigmas,
            visible=scores >= self._min_score,
        )
        # Pairs too unlike are worth nothing, lest one such pair cost a good one its partner.
        overlaps = np.where(overlaps >= self._min_oks, overlaps, 0.0)
        rows, columns = linear_sum_assignment(overlaps, maximize=True)
        pairs = zip(rows.tolist(), columns.tolist(), strict=True)
        return [(row, column) for row, column in pairs if overlaps[row, column] > 0]


def pose_areas(keypoints: np.ndarray) -> np.ndarray:
    """Return (N,) areas of the boxes around (N, K, 2) joints, at least one square pixel."""
    if not len(keypoints):
        return np.zeros(0)
    return np.maximum(np.ptp(keypoints, axis=1).prod(axis=1), 1.0)
