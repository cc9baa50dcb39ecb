"""Training images that cannot be read: training goes on without a few of them, never silently."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from lib.annotations.tables import ImageTable
from lib.utils.errors import DataError

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
        images: ImageTable,
        row_of: Callable[[int], int],
        rows: int | None = None,
    ) -> tuple[int, np.ndarray]:
        """Return the image of sample ``index``, or of the next sample whose image is sound.

        Args:
            index: the sample that is due.
            count: number of samples.
            images: of the data set.
            row_of: row of ``images`` of a sample.
            rows: how many of an image are needed, from the top; None is all of it.

        Returns:
            The sample that was taken, and its image, see ``ImageTable``.

        Raises:
            DataError: more images than tolerated, or all, cannot be read.
        """
        reason: DataError | None = None
        for step in range(count):
            sample = (index + step) % count
            try:
                row = row_of(sample)
                return sample, images.read(row) if rows is None else images.read_part(row, rows)
            except DataError as error:
                reason = error
                self.note(images.path(row_of(sample)), error)
        raise DataError(f"None of the training images can be used. {reason}")
