"""People and images as columns: compact, and shared by loader processes without being copied.

Lists of dictionaries grow in every worker (each access touches a reference count, and the page is
copied); arrays do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from lib.utils.errors import UnreadableImageError
from lib.utils.image_parts import Need, Part, read_part
from lib.utils.images import read_image, read_whole

T = TypeVar("T")


@dataclass(frozen=True)
class ImageTable:
    """I images.

    Attributes:
        folder: what stands before every file name, with its separator (``/`` or ``.zip@``).
        files: (I,) bytes, file names.
        ids: (I,) int64.
        sizes: (I, 2) int32 ``(width, height)`` in pixels; 0 where a file does not say.
        key: configuration key that leads to ``folder``, for messages.
        own: I ids as the file writes them, where those are not the numbers of ``ids``.
    """

    folder: str
    files: np.ndarray
    ids: np.ndarray
    sizes: np.ndarray
    own: tuple[Any, ...] | None = None
    key: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def label(self, index: int) -> Any:
        """Return the id of image ``index`` as its file writes it."""
        return int(self.ids[index]) if self.own is None else self.own[index]

    def size(self, index: int) -> tuple[int, int] | None:
        """Return ``(width, height)`` of image ``index``; None where a file does not say."""
        width, height = self.sizes[index].tolist()
        return (width, height) if width and height else None

    def path(self, index: int) -> str:
        """Return the path of image ``index``."""
        return self.folder + self.files[index].decode()

    def read(self, index: int) -> np.ndarray:
        """Return the pixels of image ``index``, (H, W, 3) uint8 BGR, of the size annotated.

        Raises:
            UnreadableImageError: see ``read_image``.
        """
        return self._explained(index, read_image)

    def read_part(self, index: int, need: Need) -> Part:
        """Return what is needed of image ``index``, see ``read_part``.

        Raises:
            UnreadableImageError: see ``read_image``.
        """
        return self._explained(index, partial(read_part, need=need))

    def read_bytes(self, index: int) -> bytes:
        """Return the file of image ``index``, not decoded; see ``read_whole``.

        Raises:
            UnreadableImageError: see ``read_whole``.
        """
        return self._explained(index, lambda path, size: read_whole(path))

    def _explained(self, index: int, read: Callable[..., T]) -> T:
        path = self.path(index)
        try:
            return read(path, size=self.size(index))
        except UnreadableImageError as error:
            if not self.key or ".zip@" in path or Path(path).is_file():
                raise
            raise UnreadableImageError(f"{error} Check {self.key} and 'file_name'.") from None


@dataclass(frozen=True)
class PersonTable:
    """N people in the images of ``images``; those of COCO files are ordered by image.

    Attributes:
        images: the images.
        image_index: (N,) int32 row of ``images``.
        ids: (N,) int64 annotation ids; -1 for detections.
        boxes: (N, 4) float32 ``x, y, width, height`` in pixels.
        crops: (N, 4) float32 ``centre x, centre y, width, height`` of the region to show, if the
            data set says (MPII); else NaN, and the region follows from the box.
        scores: (N,) float32 of the box; 1 for annotations.
        keypoints: (N, K, 2) float32 ``(x, y)`` in pixels; 0 where not annotated or not known.
        visibility: (N, K) uint8, COCO's 0 (not annotated), 1 (occluded), 2 (visible).
        areas: (N,) float32, pixels of the person as annotated.
    """

    images: ImageTable
    image_index: np.ndarray
    ids: np.ndarray
    boxes: np.ndarray
    crops: np.ndarray
    scores: np.ndarray
    keypoints: np.ndarray
    visibility: np.ndarray
    areas: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def image_path(self, index: int) -> str:
        """Return the path of the image that holds person ``index``."""
        return self.images.path(int(self.image_index[index]))

    def read_image(self, index: int) -> np.ndarray:
        """Return the pixels of the image that holds person ``index``, see ``ImageTable.read``."""
        return self.images.read(int(self.image_index[index]))

    def read_part(self, index: int, need: Need) -> Part:
        """Return what is needed of the image of person ``index``, see ``ImageTable.read_part``."""
        return self.images.read_part(int(self.image_index[index]), need)

    def select(self, keep: np.ndarray) -> PersonTable:
        """Return the people of a mask or an index array; the images stay as they are."""
        columns = {name: getattr(self, name)[keep] for name in _PERSON_COLUMNS}
        return PersonTable(images=self.images, **columns)


_PERSON_COLUMNS = (
    "image_index",
    "ids",
    "boxes",
    "crops",
    "scores",
    "keypoints",
    "visibility",
    "areas",
)


def join_people(parts: Sequence[PersonTable], images: ImageTable) -> PersonTable:
    """Return the rows of ``parts`` in order, whose ``image_index`` already counts in ``images``."""
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in _PERSON_COLUMNS
    }
    return PersonTable(images=images, **columns)
