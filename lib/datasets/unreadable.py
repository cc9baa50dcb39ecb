"""Training images that cannot be read: training goes on without a few of them, never silently."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from lib.utils.errors import DataError
from lib.utils.images import read_image

logger = logging.getLogger(__name__)


class Unreadable:
    """The unreadable images met so far (by one loader process).

    Args:
        limit: how many are tolerated (``DATASET.MAX_BAD_IMAGES``).
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._paths: set[str] = set()

    def note(self, path: str, error: DataError) -> None:
        """Name an image in a warning, once.

        Raises:
            DataError: it is one too many.
        """
        if path in self._paths:
            return
        self._paths.add(path)
        logger.warning("%s Training goes on without it.", error)
        if len(self._paths) > self.limit:
            raise DataError(
                f"{len(self._paths)} training images cannot be read (the last: {path}); mend the "
                "data or raise DATASET.MAX_BAD_IMAGES."
            )

    def read(
        self,
        index: int,
        count: int,
        path_of: Callable[[int], str],
        size_of: Callable[[int], np.ndarray] | None = None,
    ) -> tuple[int, np.ndarray]:
        """Return the image of sample ``index``, or of the next sample whose image is sound.

        Args:
            index: the sample that is due.
            count: number of samples.
            path_of: path of the image of a sample.
            size_of: ``(width, height)`` that the annotations say; another size counts as damage.

        Returns:
            The sample that was taken, and its image (H, W, 3) uint8 BGR.

        Raises:
            DataError: more images than tolerated, or all, cannot be read.
        """
        for step in range(count):
            row = (index + step) % count
            try:
                image = read_image(path_of(row))
                if size_of is not None:
                    _check_size(image, path_of(row), size_of(row))
                return row, image
            except DataError as error:
                self.note(path_of(row), error)
        raise DataError("None of the training images can be read; check DATASET.ROOT.")


def _check_size(image: np.ndarray, path: str, size: np.ndarray) -> None:
    width, height = size.tolist()
    if image.shape[:2] != (height, width):
        raise DataError(
            f"Image {path} has {image.shape[1]}x{image.shape[0]} pixels, its annotation says "
            f"{width}x{height}; boxes and joints would not fit it."
        )
