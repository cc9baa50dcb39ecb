"""Where frames come from: images, folders, patterns, videos, cameras, addresses, lists of names."""

from __future__ import annotations

import glob
import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np

from lib.annotations.matching import PictureKeys
from lib.annotations.tables import ImageTable
from lib.utils.errors import DataError
from lib.utils.images import IMAGE_ENDINGS, read_image

logger = logging.getLogger(__name__)

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")
_SILENT = 0  # OpenCV's lowest level of logging
USUAL_RATE = 25.0  # frames per second, where a video or camera does not say
PROTOCOLS = ("http", "https", "rtsp", "rtsps", "rtmp", "udp")
PATIENCE = 10_000  # milliseconds until an address that says nothing is given up


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    Attributes:
        image: (H, W, 3) uint8, blue-green-red.
        name: file name, or name of the video and number of the frame.
        index: its number in the source, from 0.
        number: its id, where it has one of its own: the data set's, or the number in its name.
    """

    image: np.ndarray
    name: str
    index: int
    number: Any = None

    @property
    def image_id(self) -> Any:
        """What results call the picture: ``number``, else its name's number, else the frame's."""
        if self.number is not None:
            return self.number
        stem = Path(self.name).stem
        return int(stem) if stem.isdecimal() else self.index


class ImageSource:
    """Image files, read when their turn comes; damaged ones are named, counted and left out.

    Args:
        paths: of the images.
        total: how many there are; None where they come one by one, as from the standard input.

    Attributes:
        names: what the images are called, different for each; empty where they come one by one.
        ids: one for each name, all different.
    """

    is_video = False
    live = False
    rate = USUAL_RATE

    def __init__(self, paths: Iterable[str], total: int | None = None) -> None:
        self.total = total
        self.unreadable = 0
        self._paths = paths if total is None else list(paths)
        self.names = short_names(self._paths) if isinstance(self._paths, list) else []
        self.ids: list[Any] = picture_ids(self.names)
        self._taken: set[str] = set()
        self._numbers: set[int] = set()

    def use_ids(self, images: ImageTable) -> bool:
        """Take the ids of a data set, if it has all these images; return whether it has."""
        pictures = PictureKeys.of(images)
        found = [pictures.find(name) for name in self.names]
        if not found or None in found or len(set(found)) < len(found):
            return False
        self.ids = [images.label(place) for place in found if place is not None]
        return True

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        for place, path in enumerate(self._paths):
            try:
                image = read_image(path, upright=True)
            except DataError as error:
                self.unreadable += 1
                logger.warning("left out: %s", error)
                continue
            if self.names:
                yield Frame(image, self.names[place], index, self.ids[place])
            else:
                yield self._next(image, path, index)
            index += 1

    def _next(self, image: np.ndarray, path: str, index: int) -> Frame:
        """Return a frame whose name and number no earlier one has."""
        name = Path(path).name
        if name in self._taken:
            name = "/".join(part for part in Path(path).parts if part not in ("/", "..", "."))
        if name in self._taken:
            name = f"{index:06d}_{Path(path).name}"
        stem = Path(path).stem
        number = int(stem) if stem.isdecimal() else index
        while number in self._numbers:
            number += 1
        self._taken.add(name)
        self._numbers.add(number)
        return Frame(image, name, index, number)


def short_names(paths: Sequence[str]) -> list[str]:
    """Return file names, with their folders below the common one if images lie in several."""
    folders = {str(Path(path).parent.absolute()) for path in paths}
    if len(folders) < 2:
        return [Path(path).name for path in paths]
    common = os.path.commonpath(folders)
    return [Path(path).absolute().relative_to(common).as_posix() for path in paths]


def picture_ids(names: Sequence[str]) -> list[int]:
    """Return the numbers that all names are (COCO's way of naming); else 0, 1, 2 ..."""
    stems = [Path(name).stem for name in names]
    numbers = [int(stem) for stem in stems if stem.isdecimal()]
    return numbers if len(set(numbers)) == len(names) else list(range(len(names)))


class VideoSource:
    """A video file, a camera, or what an address sends.

    Attributes:
        live: frames come when they come, whether anybody takes them or not: those of a camera, and
            of an address that does not know how many there will be.
        total: how many frames there are; None where nobody knows.
        rate: frames per second.

    Raises:
        DataError: it cannot be opened.
    """

    is_video = True
    unreadable = 0

    def __init__(self, source: str | int) -> None:
        self._capture = _open_capture(source)
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.total = count if count > 0 else None
        self.live = isinstance(source, int) or (is_address(source) and self.total is None)
        self.rate = self._capture.get(cv2.CAP_PROP_FPS) or USUAL_RATE
        self._name = f"camera{source}" if isinstance(source, int) else source_name(source)

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


def _open_capture(source: str | int) -> cv2.VideoCapture:
    """Open what OpenCV reads; see `VideoSource`."""
    limits: list[Any] = []
    if isinstance(source, str) and is_address(source):
        waits = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
        limits = [cv2.CAP_ANY, [value for wait in waits for value in (wait, PATIENCE)]]
    level = _set_log_level(_SILENT)
    capture = cv2.VideoCapture(source, *limits)
    _set_log_level(level)  # what is wrong is said below, in one sentence
    if capture.isOpened():
        return capture
    if isinstance(source, int):
        raise DataError(f"Cannot open camera {source}: is it connected and free?")
    if is_address(source):
        raise DataError(
            f"Cannot open {public_name(source)}: does it answer, are name and password right, and "
            "does it send a video?"
        )
    raise DataError(f"Cannot open video {source}: is it complete and of a known format?")


def _set_log_level(level: int) -> int:
    """Set how much OpenCV says, and return the level before."""
    # The function moved: OpenCV 4.12 has the first place only, 4.13 the second.
    module: Any = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging
    return module.setLogLevel(level)


def is_address(source: str) -> bool:
    """Return whether a source is on the network, as ``rtsp://camera/stream``."""
    scheme, mark, _ = source.partition("://")
    return bool(mark) and scheme.lower() in PROTOCOLS


def public_name(source: str) -> str:
    """Return a source as files and messages may show it: an address without what may be secret.

    That are user name, password, and everything behind the path.
    """
    if not is_address(source):
        return source
    parts = urlsplit(source)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def source_name(source: str) -> str:
    """Return what files and frames made from a source are called; of an address, its last part."""
    if not is_address(source):
        return Path(source).stem
    parts = urlsplit(source)
    name = PurePosixPath(parts.path).stem or parts.netloc.rpartition("@")[2]
    return re.sub(r"[^\w.-]+", "_", name)


def open_source(source: str) -> ImageSource | VideoSource:
    """Return the frames of an image, a folder, a pattern, a video, an address, a camera, or ``-``.

    ``-`` reads one image name per line from the standard input; a number is a camera. Images of a
    folder come in the order of their names.

    Raises:
        DataError: there is nothing of that name, or no image in it.
    """
    path = Path(source)
    if source == "-":
        return ImageSource(_lines(sys.stdin))
    if is_address(source):
        return VideoSource(source)
    if source.isdecimal() and not path.exists():
        return VideoSource(int(source))
    if path.is_dir():
        names = _pictures_in(path)
    elif path.is_file():
        if path.suffix.lower() in VIDEOS:
            return VideoSource(source)
        names = [source]
    else:
        names = [name for name in glob.glob(source, recursive=True) if Path(name).is_file()]  # noqa: PTH207 - patterns may be absolute
    if not names:
        raise DataError(
            f"No image in '{source}'; give an image, a folder, a quoted pattern, a video, a camera "
            f"number, an address ({'://, '.join(PROTOCOLS)}://), or - for a list on the standard "
            "input."
        )
    return ImageSource(sorted(names), len(names))


def _pictures_in(folder: Path) -> list[str]:
    """Return the pictures of a folder; what else lies there is counted aloud."""
    entries = sorted(folder.iterdir())
    names = [str(e) for e in entries if e.suffix.lower() in IMAGE_ENDINGS and e.is_file()]
    others = [entry.name for entry in entries if str(entry) not in set(names)]
    if names and others:
        shown = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        logger.warning(
            "%s: %d entries are not pictures and are left out (%s)", folder, len(others), shown
        )
    return names


def _lines(stream: Iterable[str]) -> Iterator[str]:
    return (line.strip() for line in stream if line.strip())
