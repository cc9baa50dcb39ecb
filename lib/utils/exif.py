"""How EXIF says that a picture is to be turned."""

from __future__ import annotations

import struct

_JPEG_START, _JPEG_MARK, _HEAD = b"\xff\xd8", b"Exif\0\0", 1 << 12  # a JPEG's comes first
_MARKS = (_JPEG_MARK, b"eXIf", b"EXIF")  # the others' may stand behind the pixels
_STARTS = {b"II*\0": "<", b"MM\0*": ">"}
_ORIENTATION = 0x0112
UPSIDE_DOWN_OR_MIRRORED, FIRST_SIDEWAYS = (2, 3, 4), 5
# Of upright pictures whose size shows that they were turned: whether x, y run against the stored
# axis that they come from.
MIRRORED_AXES = {
    1: (False, False),
    5: (False, False),
    6: (True, False),
    7: (True, True),
    8: (False, True),
}


def orientation(data: bytes) -> int:
    """Return the EXIF orientation of a picture's bytes, 1 (upright) to 8; 1 where it says none."""
    if data[:2] == _JPEG_START:
        mark = data.find(_JPEG_MARK, 0, _HEAD)
    else:
        mark = max(data.find(name) for name in _MARKS)
    if mark < 0:
        return 1
    for letters, order in _STARTS.items():
        start = data.find(letters, mark, mark + 20)
        if start >= 0:
            value = _entry(data, start, order)
            return value if 1 <= value <= 8 else 1
    return 1


def _entry(data: bytes, start: int, order: str) -> int:
    """Return the orientation in the first directory, 0 where there is none."""
    try:
        place = start + struct.unpack_from(f"{order}I", data, start + 4)[0]
        (count,) = struct.unpack_from(f"{order}H", data, place)
        for n in range(count):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", data, place + 2 + 12 * n)
            if tag == _ORIENTATION:
                return value
    except struct.error:  # cut off
        pass
    return 0


def is_hidden(turn: int, size: tuple[int, int]) -> bool:
    """Return whether a picture of ``size`` has the same size upright, though ``turn`` turns it.

    Upside down, mirrored or square: nothing tells whether it was annotated upright or as stored.
    """
    return turn in UPSIDE_DOWN_OR_MIRRORED or (turn >= FIRST_SIDEWAYS and size[0] == size[1])
