import argparse
import os
import re
import shlex
import subprocess

import pytest
from toys.cluster import fake_cluster

from lib.utils.errors import ConfigError
from lib.utils.sbatch import add_submit_flags, job_script, job_words, submit


def flags(*words):
    parser = argparse.ArgumentParser()
    add_submit_flags(parser)
    return parser.parse_args(["--submit", *words])


def options(text):
    found = re.findall(r"^#SBATCH --([a-z-]+)(?:=(.*))?$", text, re.MULTILINE)
    return dict(found)


def test_the_job_says_what_was_asked_for(tmp_path):
    args = flags(
        "--partition",
        "gpu",
        "--time=1-02:00:00",
        "--nodes",
        "3",
        "--gpus",
        "2",
        "--signal",
        "term@300",
        "--sbatch",
        "account=ours",
        "--sbatch",
        "exclusive",
    )
    text = job_script(args, ["train.py"], tmp_path / "50% of it", gpus=1, cpus=5)
    assert text.startswith("#!/bin/bash\n#SBATCH")
    assert options(text) == {
        "job-name": '"50% of it"',
        "output": f'"{tmp_path}/50%% of it/slurm-%j.out"',
        "open-mode": "append",
        "partition": "gpu",
        "time": "1-02:00:00",
        "nodes": "3",
        "ntasks-per-node": "2",
        "gpus-per-node": "2",
        "cpus-per-task": "5",
        "signal": "TERM@300",
        "requeue": "",
        "account": "ours",
        "exclusive": "",
    }
    assert "export EFEPOSE_REQUEUE=TERM\n" in text


@pytest.mark.parametrize("name", ["a b", "it's", 'the "best"', "no#1", "back\\slash", "plain", "ü"])
def test_any_folder_and_value_is_one_word_for_sbatch(tmp_path, name):
    text = job_script(flags("--sbatch", f"comment={name}"), ["x"], tmp_path / name, gpus=1, cpus=1)
    lines = [line for line in text.splitlines() if line.startswith("#SBATCH ")]
    words = [shlex.split(line.removeprefix("#SBATCH "), comments=True) for line in lines]
    assert {len(word) for word in words} == {1}
    found = dict(word[0].removeprefix("--").partition("=")[::2] for word in words)
    assert found["job-name"] == found["comment"] == name
    assert found["output"] == f"{tmp_path}/{name}/slurm-%j.out"


def test_what_was_not_asked_for_is_the_clusters(tmp_path):
    text = job_script(flags(), ["train.py"], tmp_path, gpus=4, cpus=5)
    found = options(text)
    assert not {"partition", "time"} & set(found)
    assert (found["ntasks-per-node"], found["gpus-per-node"]) == ("4", "4")
    assert found["signal"] == "USR1@120"
    on_cpu = options(job_script(flags("--gpus", "0"), ["x"], tmp_path, gpus=4, cpus=5))
    assert on_cpu["ntasks-per-node"] == "1"
    assert "gpus-per-node" not in on_cpu


def test_the_command_arrives_word_for_word(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ["tool.py", "--cfg", "a b.yaml", "MODEL.NAME", "it's", "GPUS=(0,1)", "$HOME", ""]
    text = job_script(flags(), command, tmp_path / "run", gpus=0, cpus=2)
    file = tmp_path / "job.sh"
    file.write_text(text)
    (tmp_path / "srun").write_text('#!/bin/bash\nprintf "%s\\n" "$PWD" "$@"\n')
    (tmp_path / "srun").chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", file], capture_output=True, text=True, check=True, env=path)
    place, *words = done.stdout.split("\n")[:-1]
    assert place == str(tmp_path)
    assert words[:2] == ["--kill-on-bad-exit=1", "--cpus-per-task=2"]
    assert words[3:] == command


def test_words_of_the_call_lose_the_flags_of_the_job():
    words = shlex.split(
        "--cfg a.yaml --subm TRAIN.LR -0.5 --time 10 --resume --gpus=2 A=1 --sbatch mem=1G B 2"
    )
    assert job_words(words) == shlex.split("--cfg a.yaml TRAIN.LR -0.5 --resume A=1 B 2")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--signal", "KILL@10"], "--signal"),
        (["--signal", "USR1@soon"], "--signal"),
        (["--nodes", "0"], "--nodes"),
        (["--gpus", "-1"], "--gpus"),
        (["--cpus", "0"], "--cpus"),
        (["--sbatch", "mem=1G\nrm -r x"], "--sbatch"),
        (["--sbatch", "=3"], "--sbatch"),
    ],
)
def test_flags_without_sense_are_named(words, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        job_script(flags(*words), ["x"], tmp_path, gpus=1, cpus=1)


def test_the_job_is_sent(tmp_path, monkeypatch):
    cluster, run = fake_cluster(tmp_path), tmp_path / "run"
    monkeypatch.setenv("PATH", f"{cluster.bin}:{os.environ['PATH']}")
    answer = submit(flags(), ["x"], run, gpus=1, cpus=1)
    assert answer == f"Submitted batch job 42 ({run / 'job.sbatch'})"
    assert cluster.calls("sbatch") == [[str(run / "job.sbatch")]]
    cluster.refuse("sbatch", "invalid partition specified: gpu")
    with pytest.raises(ConfigError, match="invalid partition"):
        submit(flags(), ["x"], run, gpus=1, cpus=1)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match="There is no sbatch"):
        submit(flags(), ["x"], run, gpus=1, cpus=1)
    assert (run / "job.sbatch").is_file()
