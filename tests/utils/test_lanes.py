"""Jobs side by side: their order, their number, and what is around them."""

import threading
import time

import pytest
import torch

from lib.utils.lanes import Lanes, parts_of

CPU = torch.device("cpu")


def test_answers_come_in_order_whatever_ends_first(three_cores):
    last = threading.Event()

    def first():
        assert last.wait(20)
        return "first"

    def third():
        last.set()
        return "third"

    fetch = Lanes(3).send([first, lambda: "second", third], CPU)
    assert fetch() == ["first", "second", "third"]


def test_jobs_are_made_when_there_is_room(three_cores):
    made, running, most, lock = [], [], [], threading.Lock()
    full = threading.Barrier(2, timeout=20)  # only two at a time can pass

    def job():
        with lock:
            running.append(None)
            most.append(len(running))
        full.wait()
        with lock:
            running.pop()
        return len(made)

    def jobs():
        for number in range(12):
            made.append(number)
            yield job

    lanes = Lanes(2)
    found = lanes.send(jobs(), CPU)()
    assert len(found) == 12
    assert max(most) == 2
    # When the first two end, one more waits, and the next may be on its way.
    assert found[0] <= 5
    assert lanes.send([], CPU)() == []


def test_lanes_share_the_cores_and_others_keep_theirs(three_cores):
    lanes, elsewhere = Lanes(8), list[int]()
    fetch = lanes.send([torch.get_num_threads] * 6, CPU)
    begun = threading.Thread(target=lambda: elsewhere.append(torch.get_num_threads()))
    begun.start()
    begun.join()
    assert (torch.get_num_threads(), elsewhere) == (3, [3])
    assert fetch() == [1] * 6
    assert lanes.send([torch.get_num_threads] * 2, CPU)() == [1] * 2  # by the same threads


def test_several_threads_may_send(three_cores):
    lanes, found = Lanes(3), {}
    together = threading.Barrier(4, timeout=20)

    def user(number):
        together.wait()
        jobs = [lambda job=job: (number, job, torch.get_num_threads()) for job in range(9)]
        fetches = [lanes.send(jobs, CPU, most=2 + number % 2) for _ in range(3)]
        found[number] = [fetch() for fetch in fetches], torch.get_num_threads()

    users = [threading.Thread(target=user, args=(number,)) for number in range(4)]
    for one in users:
        one.start()
    for one in users:
        one.join()
    for number in range(4):
        assert found[number] == ([[(number, job, 1) for job in range(9)]] * 3, 3)


def test_a_lane_has_gradients_and_autocast_of_who_sends(three_cores):
    def around():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
        return torch.is_grad_enabled(), product.dtype, threading.current_thread().name

    lanes = Lanes(2)
    assert lanes.send([around], CPU)()[0][:2] == (False, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        fetch = lanes.send([around], CPU)
    grad, dtype, name = fetch()[0]
    assert (grad, dtype) == (False, torch.bfloat16)
    assert name.startswith("lane")


@pytest.mark.parametrize("how", ["one lane", "alone", "mps", "one core"])
def test_whoever_sends_does_what_needs_no_lanes(three_cores, how):
    if how == "one core":
        torch.set_num_threads(1)
    lanes = Lanes(1 if how == "one lane" else 2)
    device = torch.device("mps" if how == "mps" else "cpu")
    most = 1 if how == "alone" else 8
    names = lanes.send([lambda: threading.current_thread().name] * 3, device, most)
    assert names() == [threading.current_thread().name] * 3


def test_what_a_job_raises_reaches_who_fetches_when_all_have_ended(three_cores):
    ended = []

    def broken():
        raise ValueError("this one")

    def slow():
        time.sleep(0.2)
        ended.append(3)

    lanes = Lanes(2)
    fetch = lanes.send([lambda: 1, broken, slow], CPU)
    with pytest.raises(ValueError, match="this one"):
        fetch()
    assert ended == [3]
    assert torch.get_num_threads() == 3
    assert lanes.send([lambda: 4], CPU)() == [4]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_who_cannot_prepare_a_job_leaves_nothing_behind(three_cores, error):
    ended = []

    def slow():
        time.sleep(0.02)
        ended.append(None)

    def jobs():
        yield slow
        yield slow
        raise error("no picture")

    lanes = Lanes(2)
    for times in range(1, 6):  # more than there is room for
        with pytest.raises(error, match="no picture"):
            lanes.send(jobs(), CPU)
        assert len(ended) == 2 * times
    assert lanes.send([lambda: 4] * 5, CPU)() == [4] * 5


def test_a_lane_is_in_inference_mode_with_who_sends(three_cores):
    def look():
        return torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    lanes = Lanes(2)
    assert lanes.send([look], CPU)() == [(False, False)]
    with torch.inference_mode():
        fetch = lanes.send([look], CPU)
    assert fetch() == [(True, False)]


def test_parts_are_made_when_they_are_asked_for():
    items = iter(range(7))
    parts = parts_of(items, 3)
    assert next(parts) == [0, 1, 2]
    assert next(items) == 3
    assert list(parts) == [[4, 5, 6]]
