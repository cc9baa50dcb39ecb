"""What every task finds: people as arrays, and one person as a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np


@dataclass(frozen=True)
class PoseResult:
    """One person.

    Attributes:
        keypoints: (K, 2) float32, ``(x, y)`` in pixels of the original image; pixel ``i`` is
            centred on coordinate ``i``.
        keypoint_scores: (K,) float32 confidences.
        score: confidence of the whole pose.
        box: (4,) float32 ``x1, y1, x2, y2`` in image pixels.
        image_id: id of the image in its data set.
    """

    keypoints: np.ndarray
    keypoint_scores: np.ndarray
    score: float
    box: np.ndarray
    image_id: int


@dataclass
class Poses:
    """N people of one or several images as arrays; what ``Task.predict_step`` returns.

    Attributes:
        image_ids: (N,) int64 ids of the images in their data set.
        keypoints: (N, K, 2) float32 ``(x, y)`` in original-image pixels.
        keypoint_scores: (N, K) float32.
        scores: (N,) float32, confidence of the person before rescoring.
        boxes: (N, 4) float32 ``x1, y1, x2, y2`` in image pixels: the box that was given to a
            top-down model, or found by a one-stage or bottom-up one.
        indices: (N,) int64 number of the sample (person row or image row) in its data set; gathered
            results of several processes are ordered and checked by it.
        crops: (N, 4) float32 ``centre x, centre y, width, height`` of the region shown to a
            top-down model, in image pixels; the boxes themselves for the other tasks.
    """

    image_ids: np.ndarray
    keypoints: np.ndarray
    keypoint_scores: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    indices: np.ndarray
    crops: np.ndarray

    def __post_init__(self) -> None:
        """Check that all arrays speak of the same N people and K joints."""
        count, joints = self.keypoints.shape[:2]
        wanted = {
            "image_ids": (count,),
            "keypoints": (count, joints, 2),
            "keypoint_scores": (count, joints),
            "scores": (count,),
            "boxes": (count, 4),
            "indices": (count,),
            "crops": (count, 4),
        }
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must be {shape}, got {getattr(self, name).shape}")

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[PoseResult]:
        for i in range(len(self)):
            yield PoseResult(
                keypoints=self.keypoints[i],
                keypoint_scores=self.keypoint_scores[i],
                score=float(self.scores[i]),
                box=self.boxes[i],
                image_id=int(self.image_ids[i]),
            )

    def select(self, keep: np.ndarray) -> Poses:
        """Return the people of a boolean mask or an index array."""
        return Poses(**{field.name: getattr(self, field.name)[keep] for field in fields(self)})

    def joints(self, places: np.ndarray) -> Poses:
        """Return the same people with the joints of an index array, in its order."""
        return replace(
            self,
            keypoints=self.keypoints[:, places],
            keypoint_scores=self.keypoint_scores[:, places],
        )

    @classmethod
    def empty(cls, num_joints: int) -> Poses:
        """Return N = 0 people."""
        return cls(
            image_ids=np.zeros(0, np.int64),
            keypoints=np.zeros((0, num_joints, 2), np.float32),
            keypoint_scores=np.zeros((0, num_joints), np.float32),
            scores=np.zeros(0, np.float32),
            boxes=np.zeros((0, 4), np.float32),
            indices=np.zeros(0, np.int64),
            crops=np.zeros((0, 4), np.float32),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Poses], num_joints: int) -> Poses:
        """Join ``parts`` in order; no parts give N = 0 people."""
        if not parts:
            return cls.empty(num_joints)
        names = [field.name for field in fields(cls)]
        return cls(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})
