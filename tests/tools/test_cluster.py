"""Training as a job of Slurm: sent, stopped before its time is over, requeued, gone on with."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tool_loader import ROOT, load_script
from toys.cluster import fake_cluster
from toys.same import assert_same

KEYS = ["FLIGHT=0", "TRAIN.EVAL_PERIOD=0", "TRAIN.END_EPOCH=60", "TRAIN.LR_STEP=[20]"]


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    made = fake_cluster(tmp_path)
    monkeypatch.setenv("PATH", f"{made.bin}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return made


def sent(config, out, *words):
    """Submit a training; return the job's script."""
    keys = [*KEYS, f"OUTPUT_DIR={out}", *words]
    assert load_script("tools/train.py").main(["--cfg", str(config), "--submit", *keys]) is None
    return next(Path(out).rglob("job.sbatch"))


def test_submitting_trains_nothing_here(cluster, tiny_config, tmp_path, capsys):
    script = sent(tiny_config, tmp_path / "out", "--time", "10:00", "GPUS=(0,1)", "WORKERS=3")
    assert "Submitted batch job 42" in capsys.readouterr().out
    assert cluster.calls("sbatch") == [[str(script)]]
    assert [path.name for path in script.parent.iterdir()] == ["job.sbatch"]
    text = script.read_text()
    assert "#SBATCH --ntasks-per-node=2\n" in text
    assert "#SBATCH --cpus-per-task=4\n" in text
    words = text.splitlines()[-1].split()
    assert words[4:7] == [sys.executable, str(ROOT / "tools/train.py"), "--cfg"]
    assert "--submit" not in words[4:]
    assert words[-1] == "AUTO_RESUME=true"


def test_a_wrong_key_is_found_before_the_job_is_sent(cluster, tiny_config, tmp_path):
    words = ["--cfg", str(tiny_config), "--submit", "TRAIN.LRR=1", f"OUTPUT_DIR={tmp_path}"]
    tool = [sys.executable, str(ROOT / "tools/train.py"), *words]
    done = subprocess.run(tool, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "TRAIN.LRR" in done.stderr
    assert not cluster.calls("sbatch")


@pytest.mark.slow
def test_a_job_whose_time_is_over_goes_on_where_it_stopped(cluster, tiny_config, tmp_path):
    """Two tasks; the first start is stopped by the signal, the second ends as one left in peace."""
    job = sent(tiny_config, tmp_path / "job", "--gpus", "0")
    peace = sent(tiny_config, tmp_path / "peace", "--gpus", "0")
    command = ["bash", str(job)]
    first = subprocess.Popen(command, env=cluster.environment(2))
    wait_for(job.parent / "checkpoint.pth", first)
    first.send_signal(signal.SIGUSR1)
    assert first.wait(120) == 0
    assert cluster.calls("scontrol") == [["requeue", "42"]]
    step = torch.load(job.parent / "checkpoint.pth", weights_only=True)["step"]
    subprocess.run(command, env=cluster.environment(2, restarts=1), check=True)
    subprocess.run(["bash", str(peace)], env=cluster.environment(2), check=True)
    assert cluster.calls("scontrol") == [["requeue", "42"]]
    one, two = (
        torch.load(script.parent / "checkpoint.pth", weights_only=True) for script in (job, peace)
    )
    assert step < one["step"] == two["step"]
    assert_same(one["state_dict"], two["state_dict"])


@pytest.mark.slow
def test_a_cancelled_job_is_not_sent_back(cluster, tiny_config, tmp_path):
    job = sent(tiny_config, tmp_path / "job", "--gpus", "0")
    process = subprocess.Popen(["bash", str(job)], env=cluster.environment(1))
    wait_for(job.parent / "checkpoint.pth", process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 0
    assert not cluster.calls("scontrol")


def wait_for(file, process):
    deadline = time.monotonic() + 240
    while not file.is_file():
        assert process.poll() is None, "the job ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.2)
