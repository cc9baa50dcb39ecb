import cv2
import numpy as np
import pytest
from labelled import EXIF

from lib.utils.errors import UnreadableImageError
from lib.utils.image_parts import read_part
from lib.utils.images import read_image

WIDTH, HEIGHT = 64, 112


@pytest.fixture
def image():
    noise = np.random.default_rng(1).integers(0, 256, (12, 8, 3), np.uint8)
    return cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "bmp"])
def test_the_rows_of_any_format_are_those_of_the_whole_image(tmp_path, image, ending):
    file = tmp_path / f"a.{ending}"
    cv2.imwrite(str(file), image)
    whole = read_image(file)
    for size in (None, (WIDTH, HEIGHT)):
        part = read_part(file, 20, size=size)
        assert len(part) >= 20
        np.testing.assert_array_equal(part[:20, :, :3], whole[:20])


def test_annotated_upright_is_read_upright(tmp_path, image):
    file = tmp_path / "a.jpg"
    cv2.imwrite(str(file), image)
    data = file.read_bytes()
    file.write_bytes(data[:2] + EXIF + data[2:])
    upright = read_part(file, 20, size=(HEIGHT, WIDTH))
    np.testing.assert_array_equal(upright, read_image(file, upright=True))
    stored = read_part(file, 20, size=(WIDTH, HEIGHT))
    np.testing.assert_array_equal(stored[:20, :, :3], read_image(file)[:20])


def test_damage_and_other_sizes_are_named(tmp_path, image):
    file = tmp_path / "a.jpg"
    cv2.imwrite(str(file), image)
    with pytest.raises(UnreadableImageError, match=r"64x112 pixels, its annotation says 64x100"):
        read_part(file, 20, size=(64, 100))
    file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(UnreadableImageError, match="cut off"):
        read_part(file, 20)
