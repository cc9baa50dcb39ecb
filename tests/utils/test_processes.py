import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from lib.utils import processes
from lib.utils.processes import machine, mark_of

NEVER = 2**22 + 1  # above the largest process number of Linux


def test_this_process_has_one_mark_and_the_first_of_all_another():
    assert mark_of(os.getpid()) == mark_of(os.getpid())
    assert mark_of(os.getpid()) not in (None, "", mark_of(1))  # a parent may be as young as this
    assert mark_of(NEVER) is None


def test_ended_processes_have_none_even_before_anybody_noticed():
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    child.stdout.read()  # it has closed its end
    deadline = time.monotonic() + 120  # it ends a little later than its output does
    while mark_of(child.pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert mark_of(child.pid) is None
    child.wait()


def test_the_machine_has_the_host_name_first():
    assert machine().split()[0] == machine().partition(" ")[0] == os.uname().nodename


def test_a_process_that_proc_hides(monkeypatch):
    def refuse(process, number):
        assert (process, number) == (NEVER, 0)
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert mark_of(NEVER) == ""


@pytest.mark.parametrize(
    ("answer", "mark"),
    [
        ("S+   Sun Nov 29 02:51:00 2026\n", "Sun Nov 29 02:51:00 2026"),
        ("Z    Sun Nov 29 02:51:00 2026\n", None),
        ("", None),
    ],
)
def test_macos(monkeypatch, answer, mark):
    monkeypatch.setattr(processes, "_PROC", Path("/there/is/no/proc"))
    asked = []

    def run(command, **options):
        asked.append((command, options["env"]["LC_ALL"]))
        return SimpleNamespace(stdout=answer)

    monkeypatch.setattr(processes.subprocess, "run", run)
    assert mark_of(77) == mark
    assert asked == [(["ps", "-o", "stat=,lstart=", "-p", "77"], "C")]
    assert " " not in machine()  # no name spaces there


class Kernel:
    """As much of kernel32 as is asked for; functions fill what they are pointed to."""

    def __init__(self, handle=11, code=259):
        self.closed = []

        def open_process(access, inherit, process):
            assert (access, inherit) == (0x1000, False)
            return handle

        def exit_code(found, code_at):
            assert found.value == handle
            code_at._obj.value = code

        def times(found, *places):
            for n, place in enumerate(places):
                place._obj.value = 2**40 + n

        self.OpenProcess = open_process
        self.GetExitCodeProcess = exit_code
        self.GetProcessTimes = times
        self.CloseHandle = self.closed.append


@pytest.mark.parametrize(
    ("kernel", "error", "mark"),
    [
        (Kernel(), 0, str(2**40)),
        (Kernel(code=1), 0, None),
        (Kernel(handle=None), 87, None),
        (Kernel(handle=None), 5, ""),
    ],
)
def test_windows(monkeypatch, kernel, error, mark):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(processes.ctypes, "WinDLL", lambda *_, **__: kernel, raising=False)
    monkeypatch.setattr(processes.ctypes, "get_last_error", lambda: error, raising=False)
    monkeypatch.setattr(os, "kill", None)  # would end the process there
    assert mark_of(88) == mark
    assert len(kernel.closed) == (kernel.OpenProcess(0x1000, False, 88) is not None)
