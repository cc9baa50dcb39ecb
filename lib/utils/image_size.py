"""The size of a picture as a viewer shows it, without decoding it where its header tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lib.utils.images import read_bytes, read_image
from lib.utils.jpeg import read_frame

_PNG = b"\x89PNG\r\n\x1a\n"


def image_size(path: str | Path) -> tuple[int, int]:
    """Return ``(width, height)`` of a picture, upright by its EXIF orientation.

    That is how browsers and labelling tools show it, so boxes and joints are in this frame.

    Raises:
        UnreadableImageError: it is missing or cannot be decoded.
    """
    data = read_bytes(str(path))
    if b"Exif" not in data[:4096] and b"eXIf" not in data[:4096]:
        size, frame = _png_size(data), read_frame(data)
        if size is not None:
            return size
        if frame is not None:
            return frame.width, frame.height
    image = read_image(path, upright=True)
    return image.shape[1], image.shape[0]


def _png_size(data: bytes) -> tuple[int, int] | None:
    if data[:8] != _PNG or len(data) < 24:
        return None
    width, height = np.frombuffer(data, ">u4", 2, 16).tolist()
    return width, height
