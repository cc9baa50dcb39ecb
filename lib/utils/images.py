"""Image files -> arrays, with damage noticed: OpenCV returns half-grey pictures without a word."""

from __future__ import annotations

import logging
import os
import zipfile
import zlib
from functools import cache, lru_cache
from pathlib import Path

import cv2
import numpy as np

from lib.utils.allocator import keep_freed_memory
from lib.utils.errors import UnreadableImageError
from lib.utils.exif import is_hidden, orientation
from lib.utils.files import fault_in
from lib.utils.jpeg import JPEG_START, is_whole_jpeg

logger = logging.getLogger(__name__)

# Endings of the formats that OpenCV reads, in lower case.
IMAGE_ENDINGS = (
    ".jpg", ".jpeg", ".jpe", ".png", ".webp", ".avif", ".bmp", ".dib", ".gif", ".tif", ".tiff",
    ".jp2", ".pbm", ".pgm", ".ppm", ".pnm", ".pxm", ".pam", ".pfm", ".sr", ".ras", ".hdr", ".pic",
    ".exr",
)  # fmt: skip
AS_STORED = cv2.IMREAD_IGNORE_ORIENTATION
_ZIP_MARK = ".zip@"
HIDDEN_TURN = (
    "EXIF says that they are to be turned upside down, mirrored, or (square ones) sideways, which "
    "their sizes do not show: they are taken as stored. Were they annotated upright, as most tools "
    "show them, store them so, without the EXIF orientation"
)


def read_image(
    path: str | Path, *, upright: bool = False, size: tuple[int, int] | None = None
) -> np.ndarray:
    """Decode an image file.

    Args:
        path: a file, or ``archive.zip@name`` for a member of an archive.
        upright: turn it by its EXIF orientation, as a viewer does.
        size: ``(width, height)`` that the annotations say. They are in the pixels as stored if
            those have that size; else in the upright ones, if those have; else they do not fit.

    Returns:
        (H, W, 3) uint8, blue-green-red.

    Raises:
        UnreadableImageError: the file is missing, is no image, is a JPEG that ends early, or has
            another size; with both.
    """
    return decode_image(read_whole(path), path, upright=upright, size=size)


def read_whole(path: str | Path) -> bytes:
    """Return the bytes of an image file; a JPEG's up to its end.

    Raises:
        UnreadableImageError: the file is missing, or is a JPEG that ends early.
    """
    keep_freed_memory()
    data = read_bytes(str(path))
    if data[:2] == JPEG_START and not is_whole_jpeg(data):
        raise UnreadableImageError(
            f"Image {path} is cut off: the JPEG end is missing; copy the file again."
        )
    return data


def decode_image(
    data: bytes, path: str | Path, *, upright: bool = False, size: tuple[int, int] | None = None
) -> np.ndarray:
    """Decode the bytes of the file ``path``, see `read_image`."""
    image = _decode(data, path, upright=upright)
    if size is None or image.shape[1::-1] == tuple(size):
        if size is not None and not upright:
            note_hidden_turn(data, size)
        return image
    turned = _decode(data, path, upright=True)
    if turned.shape[1::-1] == tuple(size):
        return turned
    raise UnreadableImageError(
        f"Image {path} has {image.shape[1]}x{image.shape[0]} pixels, its annotation says "
        f"{size[0]}x{size[1]}; boxes and joints would not fit it: use the pictures that were "
        "annotated, or scale the annotations with them."
    )


def note_hidden_turn(data: bytes, size: tuple[int, int]) -> None:
    """Warn of a picture that is taken as stored though EXIF turns it, which ``size`` hides."""
    if is_hidden(orientation(data), size):
        _warn_of_hidden_turns()


@cache  # once in a process
def _warn_of_hidden_turns() -> None:
    logger.warning("Of pictures like this one %s.", HIDDEN_TURN)


def _decode(data: bytes, path: str | Path, *, upright: bool) -> np.ndarray:
    flags = cv2.IMREAD_COLOR if upright else cv2.IMREAD_COLOR | AS_STORED
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error:  # a format that this build of OpenCV knows but does not read
        image = None
    if image is None:
        raise UnreadableImageError(
            f"Image {path} cannot be decoded ({len(data)} bytes); replace the file."
        )
    return image


def read_bytes(path: str) -> bytes:
    """Return the bytes of a file or of a member of an archive (``archive.zip@name``).

    COCO's own archives keep their members in a folder named like the archive
    (``val2017.zip`` holds ``val2017/000000000139.jpg``), the HRNet family's at the top: a name is
    looked for in both places.

    Raises:
        UnreadableImageError: there is no such file, archive or member.
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
        raise UnreadableImageError(f"Image {path} cannot be read: {reason}{part}.") from None


def _read_member(archive: Path, name: str) -> bytes:
    file = _open_zip(archive, os.getpid())
    below = f"{archive.stem}/{name}"
    return file.read(below if below in file.NameToInfo else name)


@lru_cache(maxsize=8)
def _open_zip(archive: Path, process: int) -> zipfile.ZipFile:
    """Open an archive; a loader process must not move the file position of another's."""
    del process
    return zipfile.ZipFile(archive)
