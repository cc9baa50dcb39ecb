"""As much of a picture as crops need: its upper rows, or all of it at a half to an eighth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lib.utils.exif import MIRRORED_AXES, orientation
from lib.utils.images import AS_STORED, decode_image, note_hidden_turn, read_whole
from lib.utils.jpeg import Frame, decode_rows, read_frame

REDUCTIONS = (8, 4, 2)
_FLAGS = {
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
Size = tuple[int, int]


@dataclass(frozen=True)
class Need:
    """What crops need of a picture.

    Attributes:
        rows: so many from the top; beyond the picture means all.
        step: every pixel for 1; for 2, 4 or 8, pixels that are so many of the picture's wide.
    """

    rows: int = 1 << 30
    step: int = 1


WHOLE = Need()


@dataclass(frozen=True)
class Part:
    """Pixels of a picture.

    Attributes:
        pixels: (h, w, 3) or (h, w, 4) uint8: blue, green, red, and one channel without meaning.
        step: how many of the picture's pixels one of these is wide and high.
        first: ``(x, y)`` of the centre of the first one, in pixels of the picture, whose own first
            one is centred on 0.
    """

    pixels: np.ndarray
    step: int = 1
    first: tuple[float, float] = (0.0, 0.0)

    def maps(self, matrices: np.ndarray) -> np.ndarray:
        """Return (N, 2, 3) maps from these pixels for (N, 2, 3) maps from the picture's."""
        if self.step == 1:
            return matrices
        linear = matrices[..., :2]
        moved = matrices[..., 2:] + linear @ np.array(self.first)[:, None]
        return np.concatenate([linear * self.step, moved], axis=-1)


def read_part(path: str | Path, need: Need, *, size: Size | None = None) -> Part:
    """Decode of an image file what is needed.

    Args:
        path: as of `read_image`.
        need: of what `read_image` gives. Only JPEGs are decoded at less than their size.
        size: as of `read_image`.

    Raises:
        UnreadableImageError: as of `read_image`.
    """
    data = read_whole(path)
    frame = read_frame(data)
    part = _part(data, frame, need, size) if frame is not None else None
    if part is None:
        return Part(decode_image(data, path, size=size))
    if size is not None and frame is not None and size == (frame.width, frame.height):
        note_hidden_turn(data, size)
    return part


def _part(data: bytes, frame: Frame, need: Need, size: Size | None) -> Part | None:
    """Decode what is needed of a JPEG; None where that is not simpler than all of it."""
    if min(frame.width, frame.height) < 2 * max(REDUCTIONS):
        need = Need(need.rows)
    if size in (None, (frame.width, frame.height)):
        pixels = decode_rows(data, frame, need.rows, need.step)
        if pixels is not None and len(pixels[0]) == -(-frame.width // need.step):
            middle = (need.step - 1) / 2
            return Part(pixels, need.step, (middle, middle))
    return _reduced(data, frame, need.step, size) if need.step > 1 else None


def _reduced(data: bytes, frame: Frame, step: int, size: Size | None) -> Part | None:
    """Decode a JPEG at 1 / ``step`` of its size, as its blocks can be; None where it cannot."""
    stored = (frame.width, frame.height)
    turn = orientation(data) if size not in (None, stored) else 1
    if turn not in MIRRORED_AXES or size not in (None, stored if turn == 1 else stored[::-1]):
        return None
    flags = _FLAGS[step] | (AS_STORED if turn == 1 else 0)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    lengths = stored if turn == 1 else stored[::-1]
    counts = [-(-length // step) for length in lengths]  # the last one may stand over the edge
    if pixels is None or pixels.shape[1::-1] != tuple(counts):
        return None
    x, y = (
        length - step * count + (step - 1) / 2 if mirrored else (step - 1) / 2
        for length, count, mirrored in zip(lengths, counts, MIRRORED_AXES[turn], strict=True)
    )
    return Part(pixels, step, (x, y))
