import multiprocessing
import zipfile

import cv2
import numpy as np
import pytest

from lib.utils.errors import DataError
from lib.utils.images import read_bytes, read_image


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


def test_archives_as_coco_publishes_them(jpeg, tmp_path):
    with zipfile.ZipFile(tmp_path / "val2017.zip", "w") as archive:
        archive.writestr("val2017/", b"")  # the folder's own entry
        archive.write(jpeg, "val2017/b.jpg")
    image = read_image(f"{tmp_path}/val2017.zip@b.jpg")
    np.testing.assert_array_equal(image, read_image(jpeg))
    with pytest.raises(DataError, match=r"val2017\.zip@c\.jpg cannot be read: .*c\.jpg"):
        read_image(f"{tmp_path}/val2017.zip@c.jpg")


def test_a_damaged_member_is_named(jpeg, tmp_path):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(jpeg, "b.jpg")
    data = bytearray(path.read_bytes())
    data[60:80] = bytes(20)
    path.write_bytes(data)
    with pytest.raises(DataError, match="cannot be read"):
        read_image(f"{path}@b.jpg")


def test_processes_that_fork_do_not_share_a_file_position(tmp_path):
    names = [f"{n}.bin" for n in range(40)]
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for n, name in enumerate(names):
            archive.writestr(name, bytes([n]) * 200_000)
    paths = [f"{tmp_path}/set.zip@{name}" for name in names]
    assert read_bytes(paths[0])[0] == 0  # open in the parent
    with multiprocessing.get_context("fork").Pool(3) as pool:
        contents = pool.map(read_bytes, paths * 3)
    assert [set(data) for data in contents] == [{n} for n in range(40)] * 3


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


def test_exif_turns_a_photograph_only_where_that_is_asked_for(jpeg, tmp_path):
    tiff = b"II*\0\x08\0\0\0\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + b"\0\0\0\0"
    block = b"Exif\0\0" + tiff  # one entry: orientation 6, a quarter turn
    data = jpeg.read_bytes()
    turned = tmp_path / "turned.jpg"
    turned.write_bytes(
        data[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + data[2:]
    )
    assert read_image(turned).shape == (20, 30, 3)
    assert read_image(turned, upright=True).shape == (30, 20, 3)
    assert read_image(jpeg, upright=True).shape == (20, 30, 3)
