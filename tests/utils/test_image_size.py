import cv2
import numpy as np
import pytest
from labelled import EXIF

from lib.utils.errors import DataError
from lib.utils.image_size import image_size


@pytest.mark.parametrize("ending", ["jpg", "png", "bmp", "webp", "tif"])
def test_sizes_of_formats(tmp_path, ending):
    file = tmp_path / f"a.{ending}"
    cv2.imwrite(str(file), np.zeros((7, 11, 3), np.uint8))
    assert image_size(file) == (11, 7)


def test_progressive_jpeg(tmp_path):
    file = tmp_path / "a.jpg"
    cv2.imwrite(str(file), np.zeros((7, 11, 3), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert image_size(file) == (11, 7)


def test_photographs_are_upright(tmp_path):
    file = tmp_path / "a.jpg"
    cv2.imwrite(str(file), np.zeros((7, 11, 3), np.uint8))
    data = file.read_bytes()
    file.write_bytes(data[:2] + EXIF + data[2:])
    assert image_size(file) == (7, 11)


def test_headers_alone_are_read(tmp_path):
    """A cut JPEG has a size, too: reading the picture itself finds the damage."""
    file = tmp_path / "a.jpg"
    cv2.imwrite(str(file), np.full((70, 110, 3), 90, np.uint8))
    file.write_bytes(file.read_bytes()[:-20])
    assert image_size(file) == (110, 70)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xc0\x00", b"GIF8", bytes(100)])
def test_what_is_no_picture(tmp_path, data):
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.jpg"):
        image_size(tmp_path / "a.jpg")
