"""Sweeps through the tool: the same table however often it was killed, and as a job of Slurm."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from tool_loader import ROOT, load_script
from toys.cluster import fake_cluster

TOOL = "tools/analyse/sweep.py"
SHORT = ["FLIGHT=0", "TRAIN.END_EPOCH=3", "TRAIN.LR_STEP=[2]", "TEST.FLIP_TEST=false"]
VARIES = ["--set", "TRAIN.LR=0.002,0.01", "MODEL.SIGMA=1,2"]


def command(config, out, *words):
    return [str(ROOT / TOOL), "--cfg", str(config), *SHORT, *VARIES, "--out", str(out), *words]


def environment(**own):
    return {**os.environ, "PYTHONPATH": str(ROOT), **own}


def run(words, **own):
    done = subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        env=environment(**own),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(words):
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def kill_when(process, ready, number=signal.SIGKILL):
    deadline = time.monotonic() + 240
    while not ready():
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    return process.wait(120)


@pytest.mark.slow
def test_a_sweep_killed_in_its_third_trial_gives_the_same_table(tiny_config, tmp_path):
    whole = run(command(tiny_config, tmp_path / "whole"))
    out = tmp_path / "killed"
    third = out / "trial0002"
    process = subprocess.Popen([sys.executable, *command(tiny_config, out)], env=environment())
    assert kill_when(process, lambda: any(third.rglob("checkpoint.pth"))) == -signal.SIGKILL
    before = json.loads(
        run(command(tiny_config, out, "--table")) and (out / "sweep.json").read_text()
    )
    assert [row["score"] is None for row in before] == [False, False, True]
    assert run(command(tiny_config, out)) == whole
    assert len(whole.splitlines()) == 5
    assert not any(out.rglob("earlier-1"))  # the third went on where it was
    said = refusal(command(tiny_config, out, "TRAIN.WD=0.3"))
    assert "TRAIN.WD is 0.0001, here it is 0.3" in said


@pytest.mark.slow
def test_a_sweep_is_a_job_that_comes_back(tiny_config, tmp_path, monkeypatch):
    cluster = fake_cluster(tmp_path)
    monkeypatch.setenv("PATH", f"{cluster.bin}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    out = tmp_path / "out"
    run(command(tiny_config, out, "--submit", "--gpus", "0"))
    assert [path.name for path in out.iterdir()] == ["job.sbatch"]
    job = ["bash", str(out / "job.sbatch")]
    process = subprocess.Popen(job, env=cluster.environment(2), stdout=subprocess.PIPE, text=True)
    first = lambda: any((out / "trial0000").rglob("checkpoint.pth"))  # noqa: E731
    assert kill_when(process, first, signal.SIGUSR1) == 0
    assert cluster.calls("scontrol") == [["requeue", "42"]]
    again = subprocess.run(
        job, env=cluster.environment(2, restarts=1), capture_output=True, text=True, check=True
    )
    assert len(again.stdout.splitlines()) == 5  # of rank 0 alone
    assert all(row["score"] is not None for row in json.loads((out / "sweep.json").read_text()))
    assert len(cluster.calls("scontrol")) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Nothing varies"),
        (["--set", "TRAIN.LRR=1,2"], "TRAIN.LRR"),
        (["--set", "TRAIN.LR=1,fast"], "TRAIN.LR"),
        (["--set", "TRAIN.LR=0.1..0.2"], "--trials"),
        (["--set", "TRAIN.LR=0.1..0.2", "--sampler", "grid"], "not a range"),
        (["--set", "TRAIN.LR=1,2", "--sampler", "best"], "--sampler"),
        (["--set", "SEED=1,2"], "--seeds"),
        (["--set", "TEST.BEST=AP,AR"], "TEST.BEST is the score of all trials"),
        (["--space", "none.yaml"], "none.yaml"),
    ],
)
def test_mistakes_are_named_before_anything_is_trained(tiny_config, tmp_path, words, said):
    from lib.utils.errors import ConfigError

    out = tmp_path / "out"
    tool = load_script(TOOL)
    with pytest.raises(ConfigError, match=said):
        tool.main(["--cfg", str(tiny_config), "--out", str(out), *words])
    assert not out.exists()
