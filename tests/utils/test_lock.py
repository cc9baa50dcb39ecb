import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import pytest

from lib.utils import lock as lock_module
from lib.utils.errors import BusyError
from lib.utils.lock import MOVING, RUNNING, FolderLock, moving_files

HOLD = """
import pathlib, sys, time
from lib.utils.lock import FolderLock
with FolderLock(pathlib.Path(sys.argv[1]), "training"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """A process that holds ``tmp_path``."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(lock_module, "BEAT", 0.05)
    monkeypatch.setattr(lock_module, "STALE", 0.6)
    monkeypatch.setattr(lock_module, "_POLL", 0.02)


def leave(folder, **changes):
    """Write the lock of a process that is gone; keywords say what else is different about it."""
    holder = replace(FolderLock(folder, "training").holder, **changes)
    (folder / RUNNING).write_text(json.dumps(asdict(holder)), encoding="utf-8")
    return holder


def held(folder):
    with FolderLock(folder, "training"):
        return json.loads((folder / RUNNING).read_text(encoding="utf-8"))


def test_a_second_one_is_told_who_the_first_is(tmp_path, other):
    before = (tmp_path / RUNNING).read_bytes()
    with pytest.raises(BusyError) as refusal, FolderLock(tmp_path, "training"):
        pass
    for part in (str(tmp_path), f"process {other.pid} on {socket.gethostname()}", "training since"):
        assert part in str(refusal.value)
    assert (tmp_path / RUNNING).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [RUNNING]


def test_released_at_the_end_and_after_an_error(tmp_path):
    assert held(tmp_path / "new" / "folder")["process"] == os.getpid()
    assert not list((tmp_path / "new/folder").iterdir())

    def fail():
        with FolderLock(tmp_path, "training"):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert held(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_released_by_sigterm(tmp_path, other):
    other.send_signal(signal.SIGTERM)
    assert other.wait(10) == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())


def test_signals_that_others_handle_are_theirs(tmp_path):
    def mine(number, frame):
        pass

    before = signal.signal(signal.SIGTERM, mine)
    try:
        with FolderLock(tmp_path, "training"):
            assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("noticed", [False, True])
def test_the_lock_of_a_killed_process_is_taken_over(tmp_path, other, noticed, caplog):
    """Also while the one who started it has not noticed its end."""
    other.kill()
    if noticed:
        other.wait()
    else:
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    assert held(tmp_path)["process"] == os.getpid()
    assert f"process {other.pid}" in caplog.text


def test_a_process_that_got_the_number_of_another_is_not_the_other(tmp_path):
    leave(tmp_path, process=os.getppid(), mark="another start")
    assert held(tmp_path)


def test_a_lock_that_was_never_written_to_the_end(tmp_path, soon):
    for content in ("", '{"doing": "tra', "[1]", '{"doing": "training"}'):
        (tmp_path / RUNNING).write_text(content, encoding="utf-8")
        assert held(tmp_path)
        assert not list(tmp_path.iterdir())


def test_another_machine_that_gives_signs_of_life(tmp_path, soon):
    """Its clock is an hour off: that does not matter."""
    leave(tmp_path, host="far-away", process=3)
    done = threading.Event()

    def beat():
        now = time.time() - 3600
        while not done.wait(0.1):
            now += 1
            os.utime(tmp_path / RUNNING, (now, now))

    os.utime(tmp_path / RUNNING)
    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(BusyError, match="process 3 on far-away"):
            held(tmp_path)
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("age", [-3600, -60, 3600])  # below 0: its clock is ahead of ours
def test_another_machine_that_is_silent(tmp_path, soon, age, caplog):
    leave(tmp_path, host="far-away", process=os.getpid())
    touched = time.time() - age
    os.utime(tmp_path / RUNNING, (touched, touched))
    start = time.monotonic()
    assert held(tmp_path)
    assert ("waiting for a sign of life" in caplog.text) == (age < 0)
    assert time.monotonic() - start > 0.5 or age > 0


def test_a_container_with_the_same_host_name_is_another_machine(tmp_path, soon):
    name = FolderLock(tmp_path, "training").holder.host.partition(" ")[0]
    leave(tmp_path, host=f"{name} pid:[17]", process=os.getpid())
    now = time.time() + 60  # so that it does not become stale before we look
    os.utime(tmp_path / RUNNING, (now, now))
    start = time.monotonic()
    assert held(tmp_path)
    assert time.monotonic() - start > 0.5


def test_a_launcher_that_moved_to_another_machine_goes_on_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job-7")
    leave(tmp_path, host="far-away")
    os.utime(tmp_path / RUNNING)
    assert held(tmp_path)["group"] == "job-7"


def test_a_lock_of_a_later_version_is_honoured(tmp_path, other):
    content = json.loads((tmp_path / RUNNING).read_text())
    (tmp_path / RUNNING).write_text(json.dumps({**content, "rank": 3}), encoding="utf-8")
    with pytest.raises(BusyError, match=f"in use by process {other.pid}"):
        held(tmp_path)


WRONG = [
    {"process": 10**30}, {"process": 2**32}, {"process": -5}, {"process": 0}, {"process": "12"},
    {"process": 1.5}, {"process": None}, {"process": True}, {"host": None}, {"mark": 5},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_lock_that_names_nobody_is_taken_over(tmp_path, soon, wrong):
    leave(tmp_path, **wrong)
    assert held(tmp_path)["process"] == os.getpid()


def test_what_is_no_file_in_the_place_of_a_lock(tmp_path, soon):
    (tmp_path / RUNNING).symlink_to(tmp_path / "nowhere")
    assert held(tmp_path)["process"] == os.getpid()
    (tmp_path / RUNNING).mkdir()
    with pytest.raises(BusyError, match=r"running\.lock is a folder, where a lock file must be"):
        held(tmp_path)
    (tmp_path / RUNNING).rmdir()
    leave(tmp_path, process=2**31 - 1)
    (tmp_path / f"{RUNNING}.takeover").mkdir()
    with pytest.raises(BusyError, match=r"running\.lock\.takeover is a folder"):
        held(tmp_path)


def test_a_holder_touches_its_lock(tmp_path, soon):
    with FolderLock(tmp_path, "training"):
        os.utime(tmp_path / RUNNING, (1000, 1000))
        deadline = time.monotonic() + 120
        while (tmp_path / RUNNING).stat().st_mtime < 2000:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_one_of_many_takes_a_stale_lock_over(tmp_path, soon):
    leave(tmp_path, process=os.getppid(), mark="another start")
    start, won, finish = threading.Barrier(8), [], threading.Event()

    def attempt():
        start.wait()
        try:
            with FolderLock(tmp_path, "training") as mine:
                won.append(mine.holder.token)
                finish.wait(5)
        except BusyError:
            pass

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(0.5)
    finish.set()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_whoever_lost_the_folder_writes_no_more_and_leaves_the_others_lock(tmp_path):
    with FolderLock(tmp_path, "training") as mine:
        mine.check()
        other = leave(tmp_path, process=os.getppid(), token="other")
        with pytest.raises(BusyError, match=f"process {other.process}.* took over"):
            mine.check()
    assert "other" in (tmp_path / RUNNING).read_text(encoding="utf-8")


def test_a_lock_that_a_user_deleted_does_not_stop_a_run(tmp_path):
    with FolderLock(tmp_path, "training") as mine:
        (tmp_path / RUNNING).unlink()
        mine.check()


def test_movers_wait_for_each_other(tmp_path):
    order = []

    def later():
        with moving_files(tmp_path):
            order.append("second")

    thread = threading.Thread(target=later)
    with moving_files(tmp_path):
        thread.start()
        time.sleep(0.5)
        assert (tmp_path / MOVING).is_file()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert not list(tmp_path.iterdir())
