"""Everything that can be named as a source gives its frames in order, a few at a time."""

import io
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from lib.utils.errors import DataError
from lib.video.sources import open_source


@pytest.fixture
def folder(tmp_path):
    for n in (3, 1, 2):
        cv2.imwrite(str(tmp_path / f"{n:04d}.png"), np.full((6, 8, 3), 10 * n, np.uint8))
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_folder_pattern_and_file(folder):
    for source in (str(folder), str(folder / "*.png")):
        frames = list(open_source(source))
        assert [frame.image[0, 0, 0] for frame in frames] == [10, 20, 30]
        assert [frame.index for frame in frames] == [0, 1, 2]
        assert [frame.image_id for frame in frames] == [1, 2, 3]
    (frame,) = open_source(str(folder / "0002.png"))
    assert frame.name == "0002.png"


def test_a_damaged_image_is_left_out_and_counted(folder, caplog):
    (folder / "0002.png").write_bytes(b"broken")
    source = open_source(str(folder))
    assert [frame.name for frame in source] == ["0001.png", "0003.png"]
    assert source.unreadable == 1
    assert "0002.png" in caplog.text


def test_names_on_the_standard_input(folder, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{folder}/0003.png\n\n{folder}/0001.png\n"))
    source = open_source("-")
    assert source.total is None
    assert [frame.name for frame in source] == ["0003.png", "0001.png"]


@pytest.mark.parametrize("old", [True, False])
def test_opencv_is_silenced_while_it_opens_a_video(old, tmp_path, monkeypatch):
    levels = [3]

    def set_log_level(level):
        levels.append(level)
        return levels[-2]

    logging = SimpleNamespace() if old else SimpleNamespace(setLogLevel=set_log_level)
    monkeypatch.setattr(cv2, "utils", SimpleNamespace(logging=logging), raising=False)
    monkeypatch.delattr(cv2, "setLogLevel", raising=False)
    if old:  # up to OpenCV 4.12
        monkeypatch.setattr(cv2, "setLogLevel", set_log_level, raising=False)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match="Cannot open video"):
        open_source(str(tmp_path / "broken.mp4"))
    assert levels == [3, 0, 3]


def test_video(tmp_path):
    file = tmp_path / "walk.mp4"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), 12.0, (32, 24))
    for value in (0, 120, 240):
        writer.write(np.full((24, 32, 3), value, np.uint8))
    writer.release()
    source = open_source(str(file))
    assert source.is_video
    assert (source.total, source.rate) == (3, 12.0)
    frames = list(source)
    assert [frame.name for frame in frames] == [f"walk_{n:06d}" for n in range(3)]
    assert [round(frame.image.mean() / 120) for frame in frames] == [0, 1, 2]
    assert [frame.image_id for frame in frames] == [0, 1, 2]


def test_nothing_there(tmp_path):
    for source in (str(tmp_path), str(tmp_path / "none*.jpg"), ""):
        with pytest.raises(DataError, match="No image in"):
            open_source(source)
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match="Cannot open video"):
        open_source(str(tmp_path / "bad.mp4"))
