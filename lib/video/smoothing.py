"""Steady joints without lag: the 1-euro filter (Casiez, Roussel and Vogel, CHI 2012).

Differs from the paper: speeds are measured in sizes of the person per second, not in pixels, so
that one setting serves near and far people alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lib.video.tracking import pose_areas


@dataclass
class _State:
    keypoints: np.ndarray
    speed: np.ndarray
    frame: int


class PoseSmoother:
    """Filters the joints of every tracked person.

    Args:
        rate: frames per second.
        min_cutoff: hertz; lower is steadier when nothing moves.
        slope: hertz per person size and second; higher follows fast motion more closely.
        patience: frames after which a person who is out of sight is forgotten.
    """

    def __init__(
        self, rate: float, *, min_cutoff: float = 1.0, slope: float = 3.0, patience: int = 30
    ) -> None:
        self._rate = rate
        self._min_cutoff = min_cutoff
        self._slope = slope
        self._patience = patience
        self._states: dict[int, _State] = {}
        self._frame = -1

    def update(self, numbers: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
        """Return (N, K, 2) filtered joints of the next frame.

        Args:
            numbers: (N,) numbers of the people, from a tracker.
            keypoints: (N, K, 2) ``(x, y)`` in image pixels.
        """
        self._frame += 1
        self._states = {
            number: state
            for number, state in self._states.items()
            if self._frame - state.frame <= self._patience
        }
        smooth = keypoints.copy()
        for n, (number, size) in enumerate(
            zip(numbers.tolist(), np.sqrt(pose_areas(keypoints)), strict=True)
        ):
            smooth[n] = self._filter(number, keypoints[n], float(size))
        return smooth

    def _filter(self, number: int, keypoints: np.ndarray, size: float) -> np.ndarray:
        state = self._states.get(number)
        if state is None:
            self._states[number] = _State(keypoints, np.zeros_like(keypoints), self._frame)
            return keypoints
        seconds = (self._frame - state.frame) / self._rate
        speed = (keypoints - state.keypoints) / (size * seconds)
        speed = _blend(state.speed, speed, _share(1.0, seconds))  # 1 Hz, as in the paper
        cutoff = self._min_cutoff + self._slope * np.abs(speed)
        moved = _blend(state.keypoints, keypoints, _share(cutoff, seconds))
        self._states[number] = _State(moved, speed, self._frame)
        return moved


def _share(cutoff: np.ndarray | float, seconds: float) -> np.ndarray | float:
    """Return the weight of a new value in a low-pass filter of ``cutoff`` hertz."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * seconds))


def _blend(old: np.ndarray, new: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    return old + share * (new - old)
