import logging

import cv2
import numpy as np
import pytest

from lib.utils import images
from lib.utils.exif import is_hidden, orientation
from lib.utils.images import read_image

FORMS = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}


def picture(path, turn, size=(30, 20)):
    """Write a picture with an EXIF orientation; 0 writes none."""
    pil = pytest.importorskip("PIL.Image")
    exif = pil.Exif()
    exif[0x010F] = "a maker"
    if turn:
        exif[0x0112] = turn
    pil.new("RGB", size, (200, 30, 10)).save(path, FORMS[path.suffix], exif=exif)
    return path


@pytest.mark.parametrize("ending", FORMS)
@pytest.mark.parametrize("turn", range(9))
def test_orientations_of_all_forms(tmp_path, ending, turn):
    data = picture(tmp_path / f"a{ending}", turn).read_bytes()
    assert orientation(data) == max(turn, 1)
    upright = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert (upright.shape[:2] == (30, 20)) == (turn >= 5)  # as OpenCV understands it


def test_big_endian_and_damaged_headers():
    head = b"\xff\xd8\xff\xe1\0\x20Exif\0\0MM\0*\0\0\0\x08\0\x01"
    whole = head + b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"
    assert orientation(whole) == 6
    for end in range(len(whole) - 4):
        assert orientation(whole[:end]) == 1
    assert orientation(whole.replace(b"\0\x06", b"\0\x63")) == 1
    assert orientation(b"") == orientation(b"Exif\0\0 no header") == 1


@pytest.mark.parametrize("turn", range(1, 9))
def test_turns_that_sizes_do_not_show(turn):
    assert is_hidden(turn, (30, 20)) == (turn in (2, 3, 4))
    assert is_hidden(turn, (20, 20)) == (turn > 1)


def test_hidden_turns_are_said_once(tmp_path, caplog):
    images._warn_of_hidden_turns.cache_clear()
    with caplog.at_level(logging.WARNING, images.logger.name):
        read_image(picture(tmp_path / "a.jpg", 6), size=(20, 30))  # turned: its size says so
        read_image(picture(tmp_path / "b.jpg", 1), size=(30, 20))
        read_image(picture(tmp_path / "c.jpg", 3), upright=True)
        assert not caplog.records
        for name in "de":
            read_image(picture(tmp_path / f"{name}.jpg", 3), size=(30, 20))
    (record,) = caplog.records
    assert "upside down" in record.getMessage()
    images._warn_of_hidden_turns.cache_clear()
