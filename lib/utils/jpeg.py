"""What the segments of a JPEG say, and its upper rows alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_STAND_ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers that hold the size
_SEQUENTIAL = (0xC0, 0xC1)  # of those: all of a row of blocks stands together, Huffman-coded
_BLOCK_ROWS = 16  # rows that are coded together, at most but in odd files
_NEIGHBOURS = 4  # rows that the colours of a row may be interpolated from, and some more


@dataclass(frozen=True)
class Frame:
    """The picture in a JPEG.

    Attributes:
        width: in pixels, as stored.
        height: likewise.
        components: 1 is grey, 3 are colours, 4 are those of print.
        row_by_row: rows are coded in their order, all colours together: the upper ones can be had
            without the others.
        place: of the two bytes of the height.
    """

    width: int
    height: int
    components: int
    row_by_row: bool
    place: int


def read_frame(data: bytes) -> Frame | None:
    """Return the picture of a JPEG's bytes; None where its segments do not tell.

    Segments are passed by their lengths, so that a preview in one is not taken for the picture.
    """
    place = 2 if data[:2] == JPEG_START else len(data)
    frame = None
    while place + 9 < len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _FRAMES and frame is None:
            frame = _read_size(data, place)
        if marker == _START_OF_SCAN:
            break
        if marker == 0xFF:  # fill bytes
            place += 1
        elif marker in _STAND_ALONE:
            place += 2
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    together = place + 4 < len(data) and frame is not None and data[place + 4] == frame.components
    return frame if together or frame is None else replace(frame, row_by_row=False)


def _read_size(data: bytes, place: int) -> Frame | None:
    bits, height, width = data[place + 4], data[place + 5 : place + 7], data[place + 7 : place + 9]
    by_rows = data[place + 1] in _SEQUENTIAL and bits == 8
    size = int.from_bytes(width, "big"), int.from_bytes(height, "big")
    return Frame(*size, data[place + 9], by_rows, place + 5) if all(size) else None


def is_whole_jpeg(data: bytes) -> bool:
    """Return whether a JPEG has its end, whatever stands behind it (phones append videos)."""
    return JPEG_END in data[-64:] or _ends(data)


def _ends(data: bytes) -> bool:
    """Look for the end segment by segment: that of a preview inside does not count."""
    place = 2
    while 0 <= place < len(data) - 1:
        marker = data[place + 1]
        if data[place] != 0xFF or marker == 0xFF:  # fill bytes
            place += 1
        elif marker == _END_OF_IMAGE:
            return True
        elif marker in _STAND_ALONE or marker == 0:
            place += 2
        else:
            length = int.from_bytes(data[place + 2 : place + 4], "big")
            place += 2 + length
            if marker == _START_OF_SCAN:
                place = _end_of_scan(data, place)
    return False


def _end_of_scan(data: bytes, place: int) -> int:
    """Return where the next marker stands behind compressed pixels, -1 for nowhere."""
    place = data.find(b"\xff", place)
    while 0 <= place < len(data) - 1 and (data[place + 1] in _STAND_ALONE or data[place + 1] == 0):
        place = data.find(b"\xff", place + 2)
    return place


def decode_rows(
    data: bytes | bytearray, frame: Frame, rows: int, step: int = 1
) -> np.ndarray | None:
    """Return the upper rows of a JPEG, as many as show its first ``rows`` or more.

    They are those that OpenCV decodes, to the bit. Rows below are left out where that is possible:
    the decoder is told that the picture ends above them. Four channels are what OpenCV warps
    fastest. Needs the package simplejpeg (extra ``fast``), which OpenCV's decoder cannot replace:
    that writes a warning to the console for every picture that goes on behind its end.

    Args:
        data: the file.
        frame: the picture in it.
        rows: that are needed.
        step: 1, or 2, 4 or 8: how many pixels of the picture become one, across and down.

    Returns:
        (h, w, 4) uint8, blue, green, red and one channel without meaning; w is ``frame.width`` /
        ``step``, rounded up. None without the package, or where it does not take the file.
    """
    simplejpeg = _simplejpeg()
    if simplejpeg is None or frame.components != 3:
        return None
    kept = -(-(max(rows, 1) + _NEIGHBOURS + 2 * step) // _BLOCK_ROWS) * _BLOCK_ROWS
    cut = frame.row_by_row and kept < frame.height
    if cut:
        data = bytearray(data)
        data[frame.place : frame.place + 2] = kept.to_bytes(2, "big")
    size = {}
    if step > 1:
        height = kept if cut else frame.height
        size = {"min_height": -(-height // step), "min_width": -(-frame.width // step)}
    try:
        return simplejpeg.decode_jpeg(data, colorspace="BGRX", strict=not cut, **size)
    except ValueError:  # damaged, or not of its kind: OpenCV shall judge
        return None


def jpeg_package() -> str:
    """Return name and version of the package that decodes upper rows, '' without it."""
    package = _simplejpeg()
    return f"simplejpeg {package.__version__}" if package is not None else ""


@cache
def _simplejpeg() -> Any:
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg
