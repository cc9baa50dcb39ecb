import os
import signal

import pytest
from toys.cluster import fake_cluster

from lib.utils import slurm
from lib.utils.errors import ConfigError
from lib.utils.slurm import adopt_slurm, expand_hosts, requeue, requeue_after, restarts, world_of

TASK = {
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_NTASKS": "7",
    "SLURM_NODEID": "1",
    "SLURM_JOB_ID": "1234",
    "SLURM_JOB_NODELIST": "gpu[03-04],login",
    "SLURM_TASKS_PER_NODE": "4,2,1",
}


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("", []),
        ("one", ["one"]),
        ("node-a,node-b.site.org", ["node-a", "node-b.site.org"]),
        ("gpu[1-3]", ["gpu1", "gpu2", "gpu3"]),
        ("gpu[08-11,3],x", ["gpu08", "gpu09", "gpu10", "gpu11", "gpu3", "x"]),
        ("n[098-101]", ["n098", "n099", "n100", "n101"]),
        ("r[1-2]n[07,9]-ib", ["r1n07-ib", "r1n9-ib", "r2n07-ib", "r2n9-ib"]),
    ],
)
def test_node_lists_are_expanded(text, hosts):
    assert expand_hosts(text) == hosts


@pytest.mark.parametrize("text", ["gpu[1-3", "gpu[]", "gpu[a-b]", "gpu[1-]", "a,,b", "a]"])
def test_other_node_lists_are_refused(text):
    with pytest.raises(ConfigError, match="node list"):
        expand_hosts(text)


def test_a_task_gets_what_torchrun_would_say():
    environment = dict(TASK)
    adopt_slurm(environment)
    found = {name: value for name, value in environment.items() if name not in TASK}
    port = found.pop("MASTER_PORT")
    assert found == {
        "RANK": "5",
        "WORLD_SIZE": "7",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "gpu03",
    }
    assert 1024 < int(port) < 32768
    assert port == world_of(TASK)["MASTER_PORT"]
    assert port != world_of({**TASK, "SLURM_JOB_ID": "1235"})["MASTER_PORT"]
    assert port != world_of({**TASK, "SLURM_STEP_ID": "1"})["MASTER_PORT"]


def test_what_the_user_or_the_step_says_comes_first():
    own = {"MASTER_ADDR": "here", "MASTER_PORT": "29501", "SLURM_STEP_NUM_TASKS": "6"}
    world = world_of({**TASK, **own, "SLURM_STEP_TASKS_PER_NODE": "3(x2)"})
    assert (world["MASTER_ADDR"], world["MASTER_PORT"]) == ("here", "29501")
    assert (world["WORLD_SIZE"], world["LOCAL_WORLD_SIZE"]) == ("6", "3")
    assert world_of({**TASK, "SLURM_STEP_NODELIST": "b[2-3]"})["MASTER_ADDR"] == "b2"


def test_without_counts_tasks_are_dealt_out_evenly():
    environment = {name: value for name, value in TASK.items() if "PER_NODE" not in name}
    assert world_of(environment)["LOCAL_WORLD_SIZE"] == "3"  # 7 tasks on 3 machines


@pytest.mark.parametrize(
    "change",
    [
        {"RANK": "0"},  # torchrun inside a task
        {"SLURM_NTASKS": "1"},
        {"ENVIRONMENT": "BATCH"},  # the job's script itself
    ],
)
def test_other_processes_keep_their_environment(change):
    environment = {**TASK, **change}
    adopt_slurm(environment)
    assert environment == {**TASK, **change}
    alone = {"SLURM_NTASKS": "4", "SLURM_JOB_NODELIST": "a"}  # a shell of salloc
    adopt_slurm(alone)
    assert "RANK" not in alone


def test_a_task_inside_a_batch_job_is_a_task():
    environment = {**TASK, "ENVIRONMENT": "BATCH", "SLURM_STEP_ID": "0"}
    adopt_slurm(environment)
    assert environment["RANK"] == "5"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"SLURM_PROCID": "x"}, "SLURM_PROCID"),
        ({"SLURM_PROCID": "7"}, "SLURM_NTASKS"),
        ({"SLURM_NTASKS": "-3"}, "SLURM_NTASKS"),
        ({"SLURM_JOB_NODELIST": ""}, "SLURM_JOB_NODELIST"),
    ],
)
def test_wrong_variables_are_named(change, name):
    with pytest.raises(ConfigError, match=name):
        adopt_slurm({**TASK, **change})


@pytest.mark.parametrize(
    ("job", "named", "number", "wanted"),
    [
        ("7", None, signal.SIGUSR1, True),
        ("7", None, signal.SIGTERM, False),  # scancel
        ("7", "TERM", signal.SIGTERM, True),
        ("7", "TERM", signal.SIGUSR1, False),
        ("7", None, 0, False),
        ("", None, signal.SIGUSR1, False),
    ],
)
def test_which_signal_sends_a_job_back(monkeypatch, job, named, number, wanted):
    monkeypatch.setenv("SLURM_JOB_ID", job)
    monkeypatch.delenv(slurm.REQUEUE_ON, raising=False)
    if named:
        monkeypatch.setenv(slurm.REQUEUE_ON, named)
    assert requeue_after(number) is wanted


def test_requeue_asks_scontrol(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    cluster = fake_cluster(tmp_path)
    monkeypatch.setenv("PATH", f"{cluster.bin}:{os.environ['PATH']}")
    assert requeue()
    assert cluster.calls("scontrol") == [["requeue", "77"]]
    cluster.refuse("scontrol", "Invalid job id")
    assert not requeue()
    assert "Invalid job id" in caplog.text
    assert "AUTO_RESUME" in caplog.text
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert not requeue()


def test_restarts_are_counted(monkeypatch):
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    assert restarts() == 0
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    assert restarts() == 2
