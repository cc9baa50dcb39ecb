"""As much of a picture as crops need."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lib.utils.images import decode_image, note_hidden_turn, read_whole
from lib.utils.jpeg import decode_rows, read_frame


def read_part(path: str | Path, rows: int, *, size: tuple[int, int] | None = None) -> np.ndarray:
    """Decode of an image file what is needed.

    Args:
        path: as of `read_image`.
        rows: from the top, so many are; beyond the picture means all.
        size: likewise.

    Returns:
        (h, w, 3) or (h, w, 4) uint8, blue-green-red and possibly one channel without meaning: the
        upper rows of what `read_image` gives, as many as are needed or more.

    Raises:
        UnreadableImageError: as of `read_image`.
    """
    data = read_whole(path)
    frame = read_frame(data)
    if frame is not None and size in (None, (frame.width, frame.height)):
        pixels = decode_rows(data, frame, rows)
        if pixels is not None:
            if size is not None:
                note_hidden_turn(data, size)
            return pixels
    return decode_image(data, path, size=size)
