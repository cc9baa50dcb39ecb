"""What is read ahead, what waits, what is dropped, and how it ends."""

import threading
import time

import pytest

from lib.video.ahead import ReadAhead


def until(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_whole_batches_in_order_and_a_shorter_last_one():
    ahead = ReadAhead(range(7), 3)
    assert [ahead.take(3, 3) for _ in range(4)] == [[0, 1, 2], [3, 4, 5], [6], []]
    assert ahead.dropped == 0


def test_a_source_that_can_wait_is_read_no_further_than_there_is_room():
    read = []

    def endless():
        for n in range(10**9):
            read.append(n)
            yield n

    ahead = ReadAhead(endless(), 3)
    assert not read  # nothing before the first item is wanted
    assert ahead.take(2) in ([0], [0, 1])
    until(lambda: len(read) >= 5)
    time.sleep(0.05)
    assert len(read) <= 6  # two taken, three wait, one in the reader's hands
    ahead.close()


def test_the_oldest_of_a_live_source_are_dropped_and_counted():
    taken = threading.Event()

    def live():
        yield 0
        assert taken.wait(10)
        yield from range(1, 10)

    ahead = ReadAhead(live(), 3, drop=True)
    assert ahead.take(1) == [0]
    taken.set()
    until(lambda: not ahead._thread.is_alive())
    assert ahead.dropped == 6
    assert [ahead.take(5, 3), ahead.take(5)] == [[7, 8, 9], []]


def test_a_live_source_gives_what_there_is():
    more = threading.Event()

    def live():
        yield 1
        more.wait(10)
        yield 2

    ahead = ReadAhead(live(), 4, drop=True)
    assert ahead.take(4) == [1]
    more.set()
    assert ahead.take(4) == [2]
    assert ahead.take(4) == []


def test_an_error_comes_behind_the_last_item():
    def broken():
        yield 1
        raise OSError("gone")

    ahead = ReadAhead(broken(), 2)
    assert ahead.take(2, 2) == [1]
    with pytest.raises(OSError, match="gone"):
        ahead.take(2)


@pytest.mark.parametrize("drop", [False, True])
def test_closing_closes_the_source_in_its_own_thread(drop):
    closed = []

    def endless():
        try:
            while True:
                time.sleep(0.001)
                yield 1
        finally:
            closed.append(threading.current_thread())

    ahead = ReadAhead(endless(), 2, drop=drop)
    ahead.take(1)
    ahead.close()
    assert closed == [ahead._thread]
    assert not ahead._thread.is_alive()
