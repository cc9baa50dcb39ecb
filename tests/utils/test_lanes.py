"""Jobs side by side: their order, their number, and what is around them."""

import threading

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


def test_cores_are_shared_out_and_given_back(three_cores):
    lanes = Lanes(8)
    fetch = lanes.send([torch.get_num_threads] * 6, CPU)
    later = lanes.send([torch.get_num_threads], CPU)
    assert torch.get_num_threads() == 1
    assert fetch() == [1] * 6
    assert torch.get_num_threads() == 1  # one answer is still to be fetched
    assert later() == [1]
    assert torch.get_num_threads() == 3
    assert lanes.send([torch.get_num_threads] * 2, CPU)() == [1] * 2  # by the same threads


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


def test_what_a_job_raises_reaches_who_fetches(three_cores):
    def broken():
        raise ValueError("this one")

    lanes = Lanes(2)
    fetch = lanes.send([lambda: 1, broken, lambda: 3], CPU)
    with pytest.raises(ValueError, match="this one"):
        fetch()
    assert torch.get_num_threads() == 3
    assert lanes.send([lambda: 4], CPU)() == [4]


def test_parts_are_made_when_they_are_asked_for():
    items = iter(range(7))
    parts = parts_of(items, 3)
    assert next(parts) == [0, 1, 2]
    assert next(items) == 3
    assert list(parts) == [[4, 5, 6]]
