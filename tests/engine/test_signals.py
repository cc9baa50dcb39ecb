import os
import signal
import threading

import pytest

from lib.engine.signals import StopRequest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_is_a_wish_and_handlers_come_back(number):
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop.requested
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # torchrun sends a second one
        assert stop.requested
    assert signal.getsignal(number) is before


def test_other_threads_cannot_catch_signals():
    def enter():
        with StopRequest() as stop:
            seen.append(stop.requested)

    seen = []
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [False]
