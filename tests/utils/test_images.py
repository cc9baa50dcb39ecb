import zipfile

import cv2
import numpy as np
import pytest

from lib.utils.errors import DataError
from lib.utils.images import read_image


@pytest.fixture
def jpeg(tmp_path):
    image = np.full((20, 30, 3), (10, 120, 240), np.uint8)
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), image)
    return path


def test_reads_blue_green_red(jpeg):
    image = read_image(jpeg)
    assert image.shape == (20, 30, 3)
    np.testing.assert_allclose(image[5, 5], (10, 120, 240), atol=3)


def test_reads_members_of_archives(jpeg, tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.write(jpeg, "b.jpg")
    np.testing.assert_array_equal(read_image(f"{tmp_path}/set.zip@b.jpg"), read_image(jpeg))
    with pytest.raises(DataError, match="cannot be read"):
        read_image(f"{tmp_path}/set.zip@nothing.jpg")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[: len(data) // 2], "cut off"),
        (lambda data: b"", "cannot be decoded"),
        (lambda data: b"text", "cannot be decoded"),
    ],
)
def test_damage_is_named(jpeg, change, message):
    jpeg.write_bytes(change(jpeg.read_bytes()))
    with pytest.raises(DataError, match=message):
        read_image(jpeg)


def test_missing_image(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.jpg cannot be read: No such file"):
        read_image(tmp_path / "nothing.jpg")
