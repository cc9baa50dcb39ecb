"""People frame by frame: from files as from addresses, in memory that does not grow."""

import threading
import weakref
from pathlib import Path

import cv2
import numpy as np
import pytest

from lib.structures.results import PoseResult
from lib.utils.errors import DataError
from lib.video.boxes import WholeFrame
from lib.video.sources import Frame, open_source, public_name, source_name
from lib.video.stream import PeopleStream


class Finder:
    """Finds one person per frame, whose score is the frame's brightness."""

    def __init__(self, hold=None):
        self.sizes, self.hold = [], hold

    def predict_batch(self, images, boxes=None):
        self.sizes.append(len(images))
        if self.hold is not None:
            assert self.hold.acquire(timeout=10)
        return [[person(image.mean())] for image in images]


def person(score):
    return PoseResult(
        image_id=0,
        keypoints=np.zeros((3, 2), np.float32),
        keypoint_scores=np.ones(3, np.float32),
        score=float(score),
        box=np.array([1, 2, 3, 4], np.float32),
    )


class Live:
    """A source that goes on whether anybody takes its frames or not."""

    is_video, live, total, rate, unreadable = True, True, None, 25.0, 0

    def __init__(self, count):
        self.count, self.made, self.most = count, 0, 0
        self.alive, self.over = weakref.WeakSet(), threading.Event()

    def __iter__(self):
        for index in range(self.count):
            image = np.full((4, 6, 3), index % 200, np.uint8).view(Counted)
            self.made += 1
            self.alive.add(image)
            self.most = max(self.most, len(self.alive))
            yield Frame(image, f"live_{index}", index)
        self.over.set()


class Counted(np.ndarray):
    """An array that can be looked for."""

    __hash__ = object.__hash__


def video(path, count=12):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (64, 48))
    for n in range(count):
        writer.write(np.full((48, 64, 3), 20 * n, np.uint8))
    writer.release()
    return path


def levels(stream):
    return [round(people[0].score / 20) for _, people, _ in stream]


def test_a_file_loses_nothing_and_comes_in_whole_batches(tmp_path):
    finder = Finder()
    stream = PeopleStream(open_source(str(video(tmp_path / "a.mp4"))), finder, frames=5)
    assert levels(stream) == list(range(12))
    assert finder.sizes == [5, 5, 2]
    assert (stream.count, stream.dropped) == (12, 0)


def test_a_limit_ends_a_file_and_a_live_source():
    stream = PeopleStream(Live(10**9), Finder(), frames=4, limit=6)
    assert len(list(stream)) == 6
    file = Live(10**9)
    file.live = False
    assert len(list(PeopleStream(file, Finder(), frames=4, limit=6))) == 6
    assert file.made == 6  # not read beyond it


def test_frames_of_a_live_source_are_dropped_counted_and_told(caplog):
    hold = threading.Semaphore(0)
    source, finder = Live(300), Finder(hold)
    stream = PeopleStream(source, finder, frames=3)
    results = []
    thread = threading.Thread(target=lambda: results.extend(stream))
    thread.start()
    assert source.over.wait(10)  # all came while the first batch was worked on
    for _ in range(10):
        hold.release()
    thread.join(10)
    numbers = [found.frame.index for found in results]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 299  # the newest are kept
    assert stream.count == len(numbers) < 10
    assert stream.dropped == 300 - len(numbers)
    assert source.most <= 3 + 3 + 2  # a batch, what waits, what is read and handed over
    assert "Frames come faster than people are found" in caplog.text
    assert f"{stream.dropped} of 300 frames were dropped" in caplog.text


def test_boxes_and_their_scores_come_along():
    source = Live(2)
    source.live = False
    (first, _) = PeopleStream(source, Finder(), WholeFrame())
    assert first.box_scores == [1.0]


def test_a_stream_given_up_reads_no_further():
    source = Live(10**9)
    with PeopleStream(source, Finder(), frames=2) as stream:
        next(stream)
    assert not stream._ahead._thread.is_alive()


def motion_jpeg(count):
    """Return an answer: pictures that follow each other without end being known."""

    def fault(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        for n in range(count):
            body = cv2.imencode(".jpg", np.full((48, 64, 3), 20 * n, np.uint8))[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
            handler.wfile.write(head.encode() + body + b"\r\n")
        handler.close_connection = True

    return fault


def test_a_video_at_an_address_waits_for_the_network(site, tmp_path):
    site.files["films/a.mp4"] = video(tmp_path / "a.mp4").read_bytes()
    source = open_source(site.address("films/a.mp4"))
    assert (source.live, source.total, source.rate) == (False, 12, 10.0)
    frames = list(PeopleStream(source, Finder(), frames=2))
    assert [frame.name for frame, _, _ in frames] == [f"a_{n:06d}" for n in range(12)]
    assert levels(frames) == list(range(12))


def test_pictures_without_end_at_an_address_are_live(site):
    site.faults["live?channel=2"] = [motion_jpeg(9)]
    source = open_source(site.address("live?channel=2"))
    assert source.live
    assert source.total is None


def test_motion_jpeg_comes_in_order(site):
    site.faults["live"] = [motion_jpeg(9)]
    stream = PeopleStream(open_source(site.address("live")), Finder(), frames=20)
    assert levels(stream) == list(range(9))


def test_what_does_not_answer_is_said_without_the_password(site):
    address = site.address("none.mp4?token=abc").replace("//", "//me:secret@")
    with pytest.raises(DataError, match=r"Cannot open http://127.*/none.mp4: does it answer") as e:
        open_source(address)
    assert "secret" not in str(e.value)
    assert "abc" not in str(e.value)


def test_names_of_addresses():
    assert public_name("rtsp://me:pw@cam:554/live/1?key=x") == "rtsp://cam:554/live/1"
    assert source_name("rtsp://me:pw@cam:554/live/1?key=x") == "1"
    assert source_name("rtsp://me:pw@cam:554") == "cam_554"
    assert source_name("http://a.b/films/my walk.mp4") == "my_walk"
    for other in ("C:\\films\\a.mp4", "films/walk.mp4", "0"):
        assert public_name(other) == other
        assert source_name(other) == Path(other).stem
