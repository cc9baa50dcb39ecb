"""Training images that cannot be read: training goes on without a few of them, never silently."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from lib.utils.errors import DataError

T = TypeVar("T")

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
        read: Callable[[int], T],
        path: Callable[[int], str],
    ) -> tuple[int, T]:
        """Return the image of sample ``index``, or of the next sample whose image is sound.

        Args:
            index: the sample that is due.
            count: number of samples.
            read: decodes the image of a sample.
            path: says where that is.

        Returns:
            The sample that was taken, and its image.

        Raises:
            DataError: more images than tolerated, or all, cannot be read.
        """
        reason: DataError | None = None
        for step in range(count):
            sample = (index + step) % count
            try:
                return sample, read(sample)
            except DataError as error:
                reason = error
                self.note(path(sample), error)
        raise DataError(f"None of the training images can be used. {reason}")
