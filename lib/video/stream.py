"""People frame by frame: from what ``open_source`` opens, while the next frames are read."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

import numpy as np

from lib.structures.results import PoseResult
from lib.video.ahead import ReadAhead
from lib.video.boxes import Boxes, usable_boxes
from lib.video.sources import Frame, ImageSource, VideoSource

logger = logging.getLogger(__name__)


class PoseEstimator(Protocol):
    """What finds the joints of people: ``lib.api.PoseEstimator``."""

    def predict_batch(
        self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray | None] | None = None
    ) -> list[list[PoseResult]]:
        """Return the people of each image."""
        ...


class FramePeople(NamedTuple):
    """One frame with its people.

    Attributes:
        frame: the picture; ``frame.index`` counts dropped frames, too.
        people: in it.
        box_scores: of the boxes that the people were looked for in, in their order; None where
            there were none.
    """

    frame: Frame
    people: list[PoseResult]
    box_scores: list[float] | None = None


class PeopleStream:
    """An iterator over `FramePeople`; memory does not grow with the source.

    A thread reads frames ahead while the network works. Files wait for the network. What is live (a
    camera, a stream without end) does not: where frames come faster than people are found, the
    oldest are dropped, counted and told.

    Args:
        source: the frames.
        estimator: finds the joints.
        boxes: finds people for a top-down model; None for the others, and for people who fill the
            frame.
        frames: how many go through the network at a time, and how many more may wait. From a live
            source the network takes what waits, if only one.
        limit: end after so many frames.

    Attributes:
        count: frames that came out.
        dropped: frames of a live source that were left out.
    """

    def __init__(
        self,
        source: ImageSource | VideoSource,
        estimator: PoseEstimator,
        boxes: Boxes | None = None,
        *,
        frames: int = 8,
        limit: int | None = None,
    ) -> None:
        self.source = source
        self.count = 0
        self._estimator = estimator
        self._boxes = boxes
        self._size = frames
        self._limit = limit
        # A live source is read on while its frames are dropped, so the limit is not the reader's.
        wanted = source if source.live else islice(source, limit)
        self._ahead = ReadAhead(wanted, frames, drop=source.live)
        self._people = self._run()

    @property
    def dropped(self) -> int:
        """Frames that were left out so far."""
        return self._ahead.dropped

    def __iter__(self) -> Iterator[FramePeople]:
        return self._people

    def __next__(self) -> FramePeople:
        return next(self._people)

    def close(self) -> None:
        """Stop reading; say how many frames were dropped."""
        self._ahead.close()
        self._people.close()

    def __enter__(self) -> PeopleStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> Generator[FramePeople, None, None]:
        try:
            for frames in self._batches():
                for found in find_people(frames, self._estimator, self._boxes):
                    self.count += 1
                    yield found
        finally:
            self._ahead.close()
            if self.dropped:
                everything = self.count + self.dropped
                logger.warning("%d of %d frames were dropped.", self.dropped, everything)

    def _batches(self) -> Iterator[list[Frame]]:
        left, told = self._limit, False
        while left is None or left > 0:
            most = self._size if left is None else min(self._size, left)
            frames = self._ahead.take(most, least=1 if self.source.live else self._size)
            if not frames:
                return
            if self.dropped and not told:
                told = True
                logger.warning("Frames come faster than people are found: some are dropped.")
            yield frames
            left = None if left is None else left - len(frames)


def find_people(
    frames: list[Frame], estimator: PoseEstimator, boxes: Boxes | None
) -> list[FramePeople]:
    """Return each frame with its people and the scores of their boxes; see `PeopleStream`."""
    images = [frame.image for frame in frames]
    if boxes is None:
        return list(map(FramePeople, frames, estimator.predict_batch(images)))
    tables = [
        usable_boxes(table, frame) for table, frame in zip(boxes.find(frames), frames, strict=True)
    ]
    found = estimator.predict_batch(images, [table[:, :4] for table in tables])
    return list(map(FramePeople, frames, found, [table[:, 4].tolist() for table in tables]))
