import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from scripts.killing import write_config
from toys import elastic
from toys.ranks import TESTS, gradients_and_results, launch, share_bytes, train
from toys.same import assert_same
from toys.toy_task import ToyTask, toy_config

from lib.engine import distributed, fit
from lib.engine.distributed import (
    World,
    broadcast_bytes,
    current_world,
    gather_objects,
    mean_over_ranks,
    session,
)
from lib.utils.errors import BusyError, TrainingError
from lib.utils.lock import FolderLock

# Batch statistics are each rank's own, dropout too: without them ranks are one process, split up.
SAME = {"dropout": 0.0, "frozen_norm": True}


def read(folder, name="checkpoint.pth"):
    return torch.load(folder / name, weights_only=True)


def test_alone_every_collective_is_the_identity():
    with session() as world:
        assert world == current_world() == World()
    assert gather_objects(3) == [3]
    assert broadcast_bytes(b"x", torch.device("cpu")) == b"x"
    assert torch.equal(mean_over_ranks(torch.ones(2)), torch.ones(2))


@pytest.mark.parametrize(
    ("task", "config"),
    [
        ({"train_size": 12}, {"OPTIMIZER": "sgd"}),
        ({"train_size": 24}, {"ACCUMULATE": 2, "EMA": 0.9, "CLIP_NORM": 0.5}),
        ({"train_size": 18, "groups": [0] * 6 + [1] * 12}, {"OPTIMIZER": "sgd"}),
        ({"train_size": 12}, {"FREEZE": ["conv"], "FREEZE_UNTIL": 2, "LR_MULT": {"out": 0.5}}),
        ({"train_size": 12}, {"FREEZE": ["conv", "norm"], "EMA": 0.9, "EMA_RAMP": 5.0}),
    ],
)
def test_two_ranks_equal_one_process_with_the_whole_batch(tmp_path, task, config):
    task = {**task, **SAME}
    fit(toy_config(BATCH_SIZE_PER_GPU=6, **config), ToyTask(**task), tmp_path / "one")
    answers = launch(train, 2, tmp_path / "two", task, config)
    assert [answer[:2] for answer in answers] == [(True, read(tmp_path / "one")["step"])] * 2
    one, two = read(tmp_path / "one"), read(tmp_path / "two")
    for kind in ("state_dict", "ema"):
        for name, value in (one[kind] or {}).items():
            torch.testing.assert_close(two[kind][name], value, rtol=1e-5, atol=1e-6)
    assert one["best"] == two["best"]
    for mine, theirs in zip(worst(tmp_path / "one"), worst(tmp_path / "two"), strict=True):
        assert set(mine["key"]) == set(theirs["key"])
        np.testing.assert_allclose(theirs["loss"], mine["loss"], rtol=1e-3, atol=1e-5)


def worst(folder):
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] == "worst"]


@pytest.mark.parametrize("task", ["topdown", "bottomup"])
def test_ranks_have_gradients_and_predictions_of_one_process(synthpose, tmp_path, task):
    """A network and data as users have: 3 ranks, 4 test images of 1 to 6 people."""
    config = write_config(task, tmp_path, "ranks")
    keys = ["DATASET.ROOT", str(synthpose / "coco"), "WORKERS", "0", "TRAIN.BATCH_SIZE_PER_GPU"]
    wanted = gradients_and_results(config, tmp_path / "one", *keys, "6")
    answers = launch(gradients_and_results, 3, config, tmp_path / "three", *keys, "2")
    for found in answers:
        assert found.keys() == wanted.keys()
        for name, gradient in wanted.items():
            np.testing.assert_allclose(found[name], gradient, rtol=1e-3, atol=1e-5)
    one, three = (results(tmp_path / name) for name in ("one", "three"))
    assert [row["image_id"] for row in three] == [row["image_id"] for row in one]
    np.testing.assert_allclose(numbers(three), numbers(one), rtol=1e-4, atol=1e-3)


def results(folder):
    return json.loads(next((folder / "results").glob("*.json")).read_text())


def numbers(rows):
    return [[row["score"], *row["keypoints"]] for row in rows]


@pytest.mark.parametrize("size", [1, 7])
def test_evaluation_counts_every_sample_once(tmp_path, size):
    """Three ranks: shards of 3, 2, 2 samples, or of 1, 0, 0."""
    task = {"train_size": 18, "test_size": size, **SAME}
    config = {"OPTIMIZER": "sgd", "END_EPOCH": 1}
    one = fit(toy_config(BATCH_SIZE_PER_GPU=9, **config), ToyTask(**task), tmp_path / "one")
    answers = launch(train, 3, tmp_path / "three", task, config)
    for answer in answers:
        assert answer[2].metrics == one.evaluation.metrics
        assert answer[2].people == size


def test_only_rank_0_writes_and_its_disk_is_enough_to_resume(tmp_path):
    """Each rank has a folder of its own, as on machines without a shared disk."""
    for epochs, steps in ((1, 3), (2, 6)):
        config = {"END_EPOCH": epochs, "ROOT__AUTO_RESUME": True}
        answers = launch(train, 2, tmp_path, {}, config, True)
        assert [answer[:2] for answer in answers] == [(True, steps)] * 2
    assert {path.name for path in tmp_path.iterdir()} == {"rank0"}


def test_rank_0_on_another_machine_than_the_checkpoint_is_an_error(tmp_path):
    fit(toy_config(END_EPOCH=1), ToyTask(), tmp_path / "rank1")
    answers = launch(train, 2, tmp_path, {}, {"ROOT__AUTO_RESUME": True}, True)
    assert all("shared disk" in str(answer) for answer in answers)


def test_signal_to_one_rank_stops_all_at_one_step_and_the_run_resumes_exactly(tmp_path):
    config = {"ROOT__AUTO_RESUME": True, "EMA": 0.9, "ACCUMULATE": 2}
    launch(train, 2, tmp_path / "whole", {}, config)
    parts = tmp_path / "parts"
    for rank, at in ((1, (0, 3)), (0, (2, 7))):
        answers = launch(train, 2, parts, {}, config, False, rank, at)
        steps = {answer[:2] for answer in answers}
        assert len(steps) == 1
        assert steps.pop()[0] is False
    assert all(answer[0] for answer in launch(train, 2, parts, {}, config))
    assert_same(read(parts), read(tmp_path / "whole"))


def test_loss_that_is_not_finite_on_one_rank_stops_all(tmp_path):
    answers = launch(train, 2, tmp_path, {"broken": {"nan": 4}}, {})
    assert all(isinstance(answer, TrainingError) for answer in answers)
    texts = sorted((str(answer) for answer in answers), key=len, reverse=True)
    assert "picture 4" in texts[0]
    assert "on another rank" in texts[1]


@pytest.mark.parametrize(
    ("launcher", "count"),
    [("TORCHELASTIC", "0"), ("TORCHELASTIC", "1"), ("SLURM", "1")],
)
def test_restart_by_the_launcher_resumes_untold(tmp_path, launcher, count):
    launch(train, 2, tmp_path, {}, {"END_EPOCH": 1})
    environment = {f"{launcher}_RESTART_COUNT": count}
    answers = launch(train, 2, tmp_path, {}, {"END_EPOCH": 2}, environment=environment)
    assert [answer[:2] for answer in answers] == [(True, 6)] * 2
    assert (tmp_path / "earlier-1").exists() is (count == "0")


@pytest.mark.slow
def test_torchrun_starts_again_what_was_killed(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--max-restarts", "1"]
    command += ["--nproc-per-node", "2", elastic.__file__, str(tmp_path / "parts")]
    path = os.pathsep.join(map(str, (TESTS, TESTS.parent)))
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "resumed after 6 of 12 steps" in done.stderr
    launch(train, 2, tmp_path / "whole", {}, {})
    assert_same(read(tmp_path / "parts"), read(tmp_path / "whole"))


def test_several_machines_are_told_how_one_can_return(monkeypatch, caplog):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    for machines in ("1", "2"):
        monkeypatch.setenv("GROUP_WORLD_SIZE", machines)
        distributed._warn_of_machines_that_return()
        assert ("TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1" in caplog.text) is (machines == "2")


def test_other_number_of_processes_can_resume(tmp_path):
    config = {"BATCH_SIZE_PER_GPU": 4, "END_EPOCH": 2}
    fit(toy_config(BATCH_SIZE_PER_GPU=2, END_EPOCH=1), ToyTask(), tmp_path)
    answers = launch(train, 2, tmp_path, {}, {**config, "RESUME": True})
    assert answers[0][:2] == (True, 4)  # 13 samples in batches of 8
    assert any("from 1 processes" in line for line in answers[0][3])
    assert any("step 7 becomes 2" in line for line in answers[0][3])


def test_sync_batch_norm_on_the_cpu_is_a_clear_warning(tmp_path):
    answers = launch(train, 2, tmp_path, {}, {"END_EPOCH": 1, "MODEL__SYNC_BN": True})
    for answer in answers:
        assert any("SYNC_BN runs on GPUs only" in line for line in answer[3])


def test_checkpoint_reaches_all_ranks_in_chunks():
    assert launch(share_bytes, 2) == [b"0123456789" * 3] * 2


def test_all_ranks_are_refused_a_folder_that_is_in_use(tmp_path):
    """None of them waits for rank 0, and rank 0 alone takes the lock of a free one."""
    with FolderLock(tmp_path, "training"):
        answers = launch(train, 2, tmp_path, SAME, {"END_EPOCH": 1})
    assert [type(answer) for answer in answers] == [BusyError] * 2
    assert len({str(answer) for answer in answers}) == 1
    assert [path.name for path in tmp_path.iterdir()] == []
    answers = launch(train, 2, tmp_path, SAME, {"END_EPOCH": 1})
    assert [answer[0] for answer in answers] == [True, True]
