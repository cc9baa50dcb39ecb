"""Training images that cannot be read: training goes on without a few of them, never silently."""

from __future__ import annotations

import logging

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
