import multiprocessing
import os

import pytest
from torch.utils.data import DataLoader

from lib.utils import workers
from lib.utils.errors import DataError
from lib.utils.workers import available_cpus, limit_workers, readable, worker_options


def test_workers_are_limited_to_the_cores_of_the_process(monkeypatch, caplog):
    workers._warn_of_limit.cache_clear()
    monkeypatch.setattr(workers, "available_cpus", lambda: 8)
    assert limit_workers(8) == 8
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert limit_workers(4) == 4
    assert limit_workers(0) == 0
    assert not caplog.text
    for _ in range(3):
        assert limit_workers(16) == 4
    assert caplog.text.count("WORKERS 16") == 1
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "20")
    assert limit_workers(16) == 1


@pytest.mark.parametrize(
    ("platform", "way"), [("win32", None), ("darwin", None), ("linux", "fork")]
)
def test_only_linux_forks(monkeypatch, platform, way):
    monkeypatch.setattr(workers.sys, "platform", platform)
    assert worker_options(2)["multiprocessing_context"] == way
    assert worker_options(0)["multiprocessing_context"] is None


def test_workers_are_forked_whatever_python_would_do(monkeypatch):
    monkeypatch.setattr(multiprocessing.context._default_context, "_actual_context", None)
    multiprocessing.set_start_method("forkserver")
    data = [lambda: 5]  # cannot be sent to another process
    loader = DataLoader(data, collate_fn=lambda items: items[0](), **worker_options(1))
    assert list(loader) == [5]
    assert worker_options(0)["multiprocessing_context"] is None


@pytest.mark.parametrize(("text", "wanted"), [("150000 100000", 2), ("max 100000", 6), ("", 6)])
def test_quota_of_a_container_counts(monkeypatch, tmp_path, text, wanted):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)))
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(workers, "_CPU_QUOTA", quota)
    if text:
        quota.write_text(text)
    assert available_cpus() == wanted


def test_faults_pass_and_dead_workers_become_a_sentence():
    def fail(error):
        yield 1
        raise error

    assert list(readable([1, 2])) == [1, 2]
    with pytest.raises(RuntimeError, match="a bug"):
        list(readable(fail(RuntimeError("a bug"))))
    with pytest.raises(DataError, match="WORKERS"):
        list(readable(fail(RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."))))
    with pytest.raises(DataError, match=r"^plain$"):
        list(readable(fail(DataError("plain"))))
