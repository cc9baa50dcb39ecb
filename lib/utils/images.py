"""Image files -> arrays, with damage noticed: OpenCV returns half-grey pictures without a word."""

from __future__ import annotations

import os
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from lib.utils.errors import DataError
from lib.utils.files import fault_in

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_ZIP_MARK = ".zip@"


def read_image(path: str | Path, *, upright: bool = False) -> np.ndarray:
    """Decode an image file.

    Args:
        path: a file, or ``archive.zip@name`` for a member of an archive.
        upright: turn it by its EXIF orientation, as a viewer does; annotations of data sets are in
            the pixels as stored.

    Returns:
        (H, W, 3) uint8, blue-green-red.

    Raises:
        DataError: the file is missing, is no image, or is a JPEG that ends early.
    """
    data = read_bytes(str(path))
    if data[:2] == _JPEG_START and _JPEG_END not in data[-64:]:
        raise DataError(f"Image {path} is cut off: the JPEG end is missing; copy the file again.")
    flags = cv2.IMREAD_COLOR if upright else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    if image is None:
        raise DataError(f"Image {path} cannot be decoded ({len(data)} bytes); replace the file.")
    return image


def read_bytes(path: str) -> bytes:
    """Return the bytes of a file or of a member of an archive (``archive.zip@name``).

    COCO's own archives keep their members in a folder named like the archive
    (``val2017.zip`` holds ``val2017/000000000139.jpg``), the HRNet family's at the top: a name is
    looked for in both places.

    Raises:
        DataError: there is no such file, archive or member.
    """
    archive, mark, member = path.partition(_ZIP_MARK)
    try:
        if mark:
            return _read_member(Path(f"{archive}.zip"), member)
        # A buffer would double the time, and so would a Path, of which this makes one less.
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            return file.read()
    except (OSError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        part = fault_in(f"{archive}.zip" if mark else path)
        raise DataError(f"Image {path} cannot be read: {reason}{part}.") from None


def _read_member(archive: Path, name: str) -> bytes:
    file = _open_zip(archive, os.getpid())
    below = f"{archive.stem}/{name}"
    return file.read(below if below in file.NameToInfo else name)


@lru_cache(maxsize=8)
def _open_zip(archive: Path, process: int) -> zipfile.ZipFile:
    """Open an archive; a loader process must not move the file position of another's."""
    del process
    return zipfile.ZipFile(archive)
