"""People of one frame after the other -> numbered, steadied, written, painted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.structures.skeleton import Skeleton
from lib.video.painting import Painter
from lib.video.records import ListFile, Person, coco_entry, frame_entry, person_entry
from lib.video.sinks import PictureFolder, VideoFile
from lib.video.smoothing import PoseSmoother
from lib.video.stream import FramePeople
from lib.video.tracking import OksTracker


class Steady:
    """Numbers people from frame to frame and smooths them, as far as wanted.

    Args:
        skeleton: of the people.
        rate: frames per second.
        track: number people.
        smooth: steady their joints; implies ``track``.
    """

    def __init__(self, skeleton: Skeleton, rate: float, *, track: bool, smooth: bool) -> None:
        self._tracker = OksTracker(skeleton.sigmas) if track or smooth else None
        self._smoother = PoseSmoother(rate) if smooth else None

    def update(
        self, keypoints: np.ndarray, scores: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the joints (N, K, 2) of the next frame and its people's numbers, if any."""
        if self._tracker is None:
            return keypoints, None
        numbers = self._tracker.update(keypoints, scores)
        if self._smoother is not None:
            keypoints = self._smoother.update(numbers, keypoints)
        return keypoints, numbers


@dataclass
class FrameWriter:
    """Takes frames with their people, in order.

    Attributes:
        file: gets all frames, with the joints that the painter paints.
        painter: how people are painted, and which joints are wanted.
        steady: numbers people.
        coco: gets the people with all their joints; None for no such file.
        sink: gets the painted frames; None for none.
        category: of people in COCO results.
        min_score: least score of a person.
        heat: gives what a frame is tinted with, see ``PoseEstimator.heat``; None for nothing.
        people: how many were written so far.
        unsure: how many were not, since they score less than ``min_score``.
    """

    file: ListFile
    painter: Painter
    steady: Steady
    coco: ListFile | None = None
    sink: PictureFolder | VideoFile | None = None
    category: Any = 1
    min_score: float = 0.1
    heat: Callable[[FramePeople], np.ndarray] | None = None
    people: int = 0
    unsure: int = 0

    def add(self, found: FramePeople) -> None:
        """Write a frame."""
        people = self._entries(found)
        self.people += len(people)
        if self.coco is not None:
            for person in people:
                self.coco.add(coco_entry(found.frame, person, self.category))
        if self.sink is not None:
            heat = None if self.heat is None else self.heat(found)
            self.sink.add(found.frame, self.painter.paint(found.frame.image, people, heat))
        self.file.add(frame_entry(found.frame, list(map(self._shown, people))))

    def _entries(self, found: FramePeople) -> list[Person]:
        """Return the people who score enough, with all their joints."""
        kept = [n for n, person in enumerate(found.people) if person.score >= self.min_score]
        self.unsure += len(found.people) - len(kept)
        people = [found.people[n] for n in kept]
        joints = self.painter.skeleton.num_joints
        points = np.array([person.keypoints for person in people]).reshape(-1, joints, 2)
        scores = np.array([person.keypoint_scores for person in people]).reshape(-1, joints)
        points, numbers = self.steady.update(points, scores)
        return [
            person_entry(
                points[n],
                scores[n],
                person.score,
                person.box,
                box_score=None if found.box_scores is None else found.box_scores[kept[n]],
                track=None if numbers is None else int(numbers[n]),
            )
            for n, person in enumerate(people)
        ]

    def _shown(self, person: Person) -> Person:
        """Return a person with the joints that are wanted; the score stays that of all."""
        return person | {"keypoints": person["keypoints"][list(self.painter.joints)]}
