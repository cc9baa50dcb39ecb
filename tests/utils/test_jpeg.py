import cv2
import numpy as np
import pytest

from lib.utils import jpeg
from lib.utils.jpeg import decode_rows, is_whole_jpeg, read_frame

AS_STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
FACTORS = {
    "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "422": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    "440": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440,
    "411": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411,
}


def picture(height, width, channels=3):
    noise = np.random.default_rng(height).integers(0, 256, (9, 7, channels), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def encode(image, *options):
    return cv2.imencode(".jpg", image, list(options))[1].tobytes()


def decode(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), AS_STORED)


def test_what_a_frame_says():
    plain = read_frame(encode(picture(70, 110)))
    assert (plain.width, plain.height, plain.components, plain.row_by_row) == (110, 70, 3, True)
    grey = read_frame(encode(picture(31, 17)[..., 0]))
    assert (grey.width, grey.height, grey.components) == (17, 31, 1)
    assert not read_frame(encode(picture(70, 110), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)).row_by_row
    for data in (b"", b"GIF8", b"\xff\xd8", b"\xff\xd8\xff\xc0\x00", bytes(100)):
        assert read_frame(data) is None


def test_a_preview_is_not_taken_for_the_picture():
    data, preview = encode(picture(70, 110)), encode(picture(8, 16))
    inside = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    data = data[:2] + inside + data[2:]
    assert (read_frame(data).width, read_frame(data).height) == (110, 70)
    assert is_whole_jpeg(data)
    assert not is_whole_jpeg(data[:-100])


@pytest.mark.parametrize("kind", [*FACTORS, "restart", "progressive"])
@pytest.mark.parametrize("height", [95, 96, 113])
def test_upper_rows_are_those_of_opencv_to_the_bit(kind, height, capfd):
    pytest.importorskip("simplejpeg")
    options = {
        "restart": (cv2.IMWRITE_JPEG_RST_INTERVAL, 3),
        "progressive": (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        **{name: (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor) for name, factor in FACTORS.items()},
    }[kind]
    data = encode(picture(height, 131), *options)
    whole, frame = decode(data), read_frame(data)
    for rows in (-5, 0, 1, 11, 12, 13, 16, 28, 29, 44, 60, 92, height - 1, height, 10**6):
        part = decode_rows(data, frame, rows)
        assert min(max(rows, 1), height) <= len(part) <= height
        assert len(part) < height or rows > height - 40 or kind == "progressive"
        known = part[: max(rows, 1), :, :3]
        np.testing.assert_array_equal(known, whole[: len(known)])
    assert capfd.readouterr().err == ""  # the decoder does not complain on the console


@pytest.mark.parametrize("kind", FACTORS)
@pytest.mark.parametrize("step", [2, 4, 8])
def test_reduced_rows_are_those_of_opencv_to_the_bit(kind, step, capfd):
    pytest.importorskip("simplejpeg")
    reduced = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
    flag = reduced.get(step, cv2.IMREAD_REDUCED_COLOR_8)
    for height, width in ((95, 131), (96, 128), (113, 77)):
        data = encode(picture(height, width), cv2.IMWRITE_JPEG_SAMPLING_FACTOR, FACTORS[kind])
        whole = cv2.imdecode(np.frombuffer(data, np.uint8), flag | AS_STORED)
        for rows in (1, 17, 40, height):
            part = decode_rows(data, read_frame(data), rows, step)
            needed = min(-(-rows // step) + 1, len(whole))  # and the row below, for interpolation
            assert needed <= len(part) <= len(whole)
            assert part.shape[1] == whole.shape[1]
            np.testing.assert_array_equal(part[:needed, :, :3], whole[:needed])
    assert capfd.readouterr().err == ""


def test_left_to_opencv(monkeypatch):
    colours = encode(picture(40, 30))
    grey = encode(picture(40, 30)[..., 0])
    assert decode_rows(grey, read_frame(grey), 40) is None
    damaged = colours[:300] + b"\xff\xd0" * 9 + colours[320:]
    assert decode_rows(damaged, read_frame(colours), 40) is None
    monkeypatch.setattr(jpeg, "_simplejpeg", lambda: None)
    assert decode_rows(colours, read_frame(colours), 40) is None
