"""The size of a picture as a viewer shows it, without decoding it where its header tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lib.utils.images import read_bytes, read_image

_PNG = b"\x89PNG\r\n\x1a\n"
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG markers that hold the size
_STAND_ALONE = {0x01, *range(0xD0, 0xD9)}


def image_size(path: str | Path) -> tuple[int, int]:
    """Return ``(width, height)`` of a picture, upright by its EXIF orientation.

    That is how browsers and labelling tools show it, so boxes and joints are in this frame.

    Raises:
        UnreadableImageError: it is missing or cannot be decoded.
    """
    data = read_bytes(str(path))
    if b"Exif" not in data[:4096] and b"eXIf" not in data[:4096]:
        size = _png_size(data) or _jpeg_size(data)
        if size is not None:
            return size
    image = read_image(path, upright=True)
    return image.shape[1], image.shape[0]


def _png_size(data: bytes) -> tuple[int, int] | None:
    if data[:8] != _PNG or len(data) < 24:
        return None
    width, height = np.frombuffer(data, ">u4", 2, 16).tolist()
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return the size of the first frame; segments are passed by their lengths."""
    place = 2 if data[:2] == b"\xff\xd8" else len(data)
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _FRAMES:
            height, width = np.frombuffer(data, ">u2", 2, place + 5).tolist()
            return (width, height) if width and height else None
        if marker == 0xFF:
            place += 1
        elif marker in _STAND_ALONE:
            place += 2
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return None
