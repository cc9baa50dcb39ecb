import cv2
import numpy as np
import pytest
from labelled import EXIF

from lib.utils import jpeg
from lib.utils.errors import UnreadableImageError
from lib.utils.exif import orientation
from lib.utils.image_parts import Need, read_part
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
        part = read_part(file, Need(20), size=size).pixels
        assert len(part) >= 20
        np.testing.assert_array_equal(part[:20, :, :3], whole[:20])


def test_annotated_upright_is_read_upright(tmp_path, image):
    file = tmp_path / "a.jpg"
    cv2.imwrite(str(file), image)
    data = file.read_bytes()
    file.write_bytes(data[:2] + EXIF + data[2:])
    upright = read_part(file, Need(20), size=(HEIGHT, WIDTH)).pixels
    np.testing.assert_array_equal(upright, read_image(file, upright=True))
    stored = read_part(file, Need(20), size=(WIDTH, HEIGHT)).pixels
    np.testing.assert_array_equal(stored[:20, :, :3], read_image(file)[:20])


@pytest.mark.parametrize("need", [Need(20), Need(step=2)])
def test_damage_and_other_sizes_are_named(tmp_path, image, need):
    file = tmp_path / "a.jpg"
    cv2.imwrite(str(file), image)
    with pytest.raises(UnreadableImageError, match=r"64x112 pixels, its annotation says 64x100"):
        read_part(file, need, size=(64, 100))
    file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(UnreadableImageError, match="cut off"):
        read_part(file, need)


BLOTS = np.array([[40.0, 31.0], [150.5, 77.25], [101.75, 160.0], [33.0, 201.5]])


def blots(width, height):
    """Dark, with a bright Gaussian of 9 pixels around each of BLOTS, ``(x, y)``."""
    columns, rows = np.arange(width), np.arange(height)[:, None]
    shown = sum(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 162) for x, y in BLOTS)
    return np.repeat((200 * shown).round().astype(np.uint8)[..., None], 3, axis=2)


def found(part, places):
    """Centres of mass around ``places`` (N, 2), all in pixels of the picture."""
    grey = part.pixels[..., 1].astype(float)
    grey[grey < 2] = 0  # what compression leaves of nothing
    x, y = (part.first[n] + part.step * np.arange(grey.shape[1 - n]) for n in (0, 1))
    centres = []
    for place in places:
        near = (abs(x - place[0]) < 40) & (abs(y - place[1]) < 40)[:, None]
        mass = np.where(near, grey, 0)
        centres.append([(mass * x).sum() / mass.sum(), (mass * y[:, None]).sum() / mass.sum()])
    return np.array(centres)


@pytest.mark.parametrize("sampling", [0x411111, 0x221111])
@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("step", [1, 2, 4, 8])
@pytest.mark.parametrize(("width", "height"), [(192, 240), (195, 243), (199, 247)])
def test_positions_stay_exact_in_reduced_pictures(
    tmp_path, width, height, step, turn, sampling, monkeypatch
):
    file = tmp_path / "a.jpg"
    options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling, cv2.IMWRITE_JPEG_QUALITY, 98]
    cv2.imwrite(str(file), blots(width, height), options)
    data = file.read_bytes()
    turned = EXIF.replace(b"\x12\x01\x03\0\x01\0\0\0\x06", b"\x12\x01\x03\0\x01\0\0\0%c" % turn)
    file.write_bytes(data[:2] + turned + data[2:])
    assert orientation(file.read_bytes()) == turn
    size = (width, height) if turn < 5 else (height, width)
    x, y = BLOTS.T
    places = {5: (y, x), 6: (height - 1 - y, x), 7: (height - 1 - y, width - 1 - x)}
    places[8] = (y, width - 1 - x)
    wanted = np.stack(places.get(turn, (x, y)), axis=1)
    part = read_part(file, Need(step=step), size=size)
    assert part.step == step
    assert part.pixels.shape[:2] == (-(-size[1] // step), -(-size[0] // step))
    monkeypatch.setattr(jpeg, "_simplejpeg", lambda: None)
    np.testing.assert_array_equal(
        part.pixels[..., :3], read_part(file, Need(step=step), size=size).pixels
    )
    np.testing.assert_allclose(found(part, wanted), wanted, atol=0.1)


def test_maps_of_reduced_pictures_meet_those_of_the_picture(image, tmp_path):
    file = tmp_path / "a.jpg"
    cv2.imwrite(str(file), image)
    matrices = np.array([[[0.2, 0.1, 3], [-0.1, 0.25, 7]], [[0.5, 0, -2], [0, -0.5, 1]]])
    part = read_part(file, Need(step=4))
    place = np.array([5.0, 9.0])
    there = np.array(part.first) + part.step * place
    for own, of_picture in zip(part.maps(matrices), matrices, strict=True):
        np.testing.assert_allclose(own @ [*place, 1], of_picture @ [*there, 1])
    assert read_part(file, Need()).maps(matrices) is matrices


def test_stamps_are_not_reduced(tmp_path, image):
    file = tmp_path / "a.jpg"
    cv2.imwrite(str(file), image[:15])
    assert read_part(file, Need(step=2)).step == 1


@pytest.mark.parametrize("ending", ["png", "webp", "bmp"])
def test_other_formats_are_not_reduced(tmp_path, image, ending):
    file = tmp_path / f"a.{ending}"
    cv2.imwrite(str(file), image)
    part = read_part(file, Need(step=4))
    assert part.step == 1
    np.testing.assert_array_equal(part.pixels, read_image(file))
