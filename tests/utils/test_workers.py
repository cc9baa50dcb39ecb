import os

import pytest

from lib.utils import workers
from lib.utils.errors import DataError
from lib.utils.workers import available_cpus, limit_workers, readable


def test_workers_are_limited_to_the_cores_of_the_process(monkeypatch, caplog):
    monkeypatch.setattr(workers, "available_cpus", lambda: 8)
    assert limit_workers(4, processes=2) == 4
    assert limit_workers(0, processes=20) == 0
    assert not caplog.text
    assert limit_workers(16, processes=2) == 4
    assert limit_workers(16, processes=20) == 1
    assert "WORKERS 16" in caplog.text


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
