"""Where frames come from: images, folders, patterns, videos, cameras, lists of names."""

from __future__ import annotations

import glob
import logging
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lib.utils.errors import DataError
from lib.utils.images import read_image

logger = logging.getLogger(__name__)

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")
USUAL_RATE = 25.0  # frames per second, where a video or camera does not say


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    Attributes:
        image: (H, W, 3) uint8, blue-green-red.
        name: file name, or name of the video and number of the frame.
        index: its number in the source, from 0.
    """

    image: np.ndarray
    name: str
    index: int

    @property
    def image_id(self) -> int:
        """The number that the file name is (COCO's way of naming), else the frame's number."""
        stem = Path(self.name).stem
        return int(stem) if stem.isdecimal() else self.index


class ImageSource:
    """Image files, read when their turn comes; damaged ones are named, counted and left out."""

    is_video = False
    rate = USUAL_RATE

    def __init__(self, names: Iterable[str], total: int | None = None) -> None:
        self.total = total
        self.unreadable = 0
        self._names = names

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        for name in self._names:
            try:
                image = read_image(name, upright=True)
            except DataError as error:
                self.unreadable += 1
                logger.warning("left out: %s", error)
                continue
            yield Frame(image, Path(name).name, index)
            index += 1


class VideoSource:
    """A video file or a camera.

    Raises:
        DataError: it cannot be opened.
    """

    is_video = True
    unreadable = 0

    def __init__(self, source: str | int) -> None:
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        self._capture = cv2.VideoCapture(source)
        cv2.utils.logging.setLogLevel(level)  # what is wrong is said below, in one sentence
        if not self._capture.isOpened():
            kind = "camera" if isinstance(source, int) else "video"
            hint = "connected and free" if kind == "camera" else "complete and of a known format"
            raise DataError(f"Cannot open {kind} {source}: is it {hint}?")
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.total = count if count > 0 else None
        self.rate = self._capture.get(cv2.CAP_PROP_FPS) or USUAL_RATE
        self._name = f"camera{source}" if isinstance(source, int) else Path(source).stem

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        try:
            while True:
                found, image = self._capture.read()
                if not found:
                    break
                yield Frame(image, f"{self._name}_{index:06d}", index)
                index += 1
        finally:
            self._capture.release()
        if self.total is not None and index < self.total:
            logger.warning("the video ends after %d of %d frames", index, self.total)


def open_source(source: str) -> ImageSource | VideoSource:
    """Return the frames of an image, a folder, a pattern, a video, a camera number, or ``-``.

    ``-`` reads one image name per line from the standard input. Images of a folder come in the
    order of their names.

    Raises:
        DataError: there is nothing of that name, or no image in it.
    """
    path = Path(source)
    if source == "-":
        return ImageSource(_lines(sys.stdin))
    if source.isdecimal() and not path.exists():
        return VideoSource(int(source))
    if path.is_dir():
        names = [str(file) for file in path.iterdir() if file.suffix.lower() in IMAGES]
    elif path.is_file():
        if path.suffix.lower() in VIDEOS:
            return VideoSource(source)
        names = [source]
    else:
        names = [name for name in glob.glob(source, recursive=True) if Path(name).is_file()]  # noqa: PTH207 - patterns may be absolute
    if not names:
        raise DataError(
            f"No image in '{source}'; give an image, a folder, a quoted pattern, a video, a camera "
            "number, or - for a list on the standard input."
        )
    return ImageSource(sorted(names), len(names))


def in_batches(frames: Iterable[Frame], size: int) -> Iterator[list[Frame]]:
    """Yield lists of ``size`` frames, the last one shorter; no frame is kept after its list."""
    batch: list[Frame] = []
    for frame in frames:
        batch.append(frame)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _lines(stream: Iterable[str]) -> Iterator[str]:
    return (line.strip() for line in stream if line.strip())
