"""Where painted frames go: pictures in a folder, or one video."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from lib.structures.drawing import save_picture
from lib.utils.errors import DataError
from lib.video.sources import Frame


class PictureFolder:
    """Writes one picture per frame, under the frame's name."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self._taken: set[str] = set()

    def add(self, frame: Frame, picture: np.ndarray) -> None:
        """Write ``picture`` (H, W, 3); a name that another folder has, too, gets the number."""
        own = Path(frame.name).name
        name = Path(own if Path(own).suffix else f"{own}.jpg")
        while name.name.casefold() in self._taken:  # capital letters do not count on every disk
            name = name.with_stem(f"{name.stem}_{frame.index:06d}")
        self._taken.add(name.name.casefold())
        save_picture(self.path / name, picture)

    def __enter__(self) -> PictureFolder:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing stays open."""


class VideoFile:
    """Writes an MP4 video of the size of its first frame.

    Raises:
        DataError: OpenCV cannot write there.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path = path
        self._rate = rate
        self._writer: cv2.VideoWriter | None = None

    def add(self, frame: Frame, picture: np.ndarray) -> None:
        """Append ``picture`` (H, W, 3)."""
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            code = cv2.VideoWriter.fourcc(*"mp4v")
            size = (picture.shape[1], picture.shape[0])
            self._writer = cv2.VideoWriter(str(self.path), code, self._rate, size)
            if not self._writer.isOpened():
                raise DataError(f"Cannot write the video '{self.path}'.")
        self._writer.write(picture)

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.release()
