import os
import signal

import pytest
import torch
from toys.toy_task import ToyData, ToyTask

from lib.engine.sampling import EpochSampler
from lib.engine.stream import TrainStream
from lib.utils.errors import DataError


def stream(workers=0, broken=None, size=11):
    sampler = EpochSampler(size, 3, seed=4)
    return TrainStream(ToyTask(), ToyData(size, broken), sampler, workers=workers, pin=False)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_from_any_position_in_any_order_of_epochs(workers):
    source = stream(workers)
    whole = {epoch: list(source.batches(epoch)) for epoch in (0, 1)}
    part = list(source.batches(0, 2))
    assert len(whole[0]) == len(source) == 4
    for mine, theirs in zip(part, whole[0][2:], strict=True):
        assert mine.samples == theirs.samples == mine.batch["index"]
        assert torch.equal(mine.batch["image"], theirs.batch["image"])
    assert not torch.equal(whole[0][0].batch["image"], whole[1][0].batch["image"])


def test_number_of_workers_does_not_change_samples():
    for mine, theirs in zip(stream(0).batches(3), stream(2).batches(3), strict=True):
        assert torch.equal(mine.batch["image"], theirs.batch["image"])


@pytest.mark.parametrize("workers", [0, 1])
def test_loading_leaves_the_random_numbers_of_the_model_alone(workers):
    source = stream(workers)
    torch.manual_seed(1)
    wanted = torch.rand(2)
    torch.manual_seed(1)
    list(source.batches(0))
    assert torch.equal(torch.rand(2), wanted)


def test_abandoned_pass_does_not_disturb_the_next():
    source = stream(1)
    next(source.batches(0))
    found = [batch.samples for batch in source.batches(2)]
    assert found == [batch.samples for batch in stream(0).batches(2)]


def test_mistake_in_a_worker_keeps_its_words():
    def fail(epoch):
        raise DataError("picture.jpg is damaged.")

    with pytest.raises(DataError) as caught:
        list(stream(1, {5: fail}).batches(0))
    assert str(caught.value) == "picture.jpg is damaged."


@pytest.mark.parametrize("kind", [EOFError, FileNotFoundError, ConnectionResetError])
def test_fault_that_looks_like_a_dead_worker_is_raised(kind):
    def fail(epoch):
        raise kind("pictures")

    for workers in (0, 1):
        with pytest.raises(kind, match="pictures"):
            list(stream(workers, {5: fail}).batches(0))


def test_fault_of_ours_keeps_its_traceback():
    def fail(epoch):
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*a bug"):
        list(stream(1, {5: fail}).batches(0))


@pytest.fixture
def impatient(monkeypatch):
    """torch looks for dead workers every five seconds."""
    wait = torch.utils.data.dataloader._MultiProcessingDataLoaderIter._try_get_data
    monkeypatch.setattr(wait, "__defaults__", (0.3,))


def test_dead_worker_is_replaced_at_the_same_batch(tmp_path, impatient, caplog):
    flag = tmp_path / "died"

    def die_once(epoch):
        if epoch == 1 and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    source = stream(2, {5: die_once})
    found = [batch.samples for batch in source.batches(1)]
    assert found == [batch.samples for batch in stream(0).batches(1)]
    assert flag.exists()
    assert "starting new ones" in caplog.text


def test_worker_that_always_dies_is_an_error(impatient):
    def die(epoch):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(DataError, match=r"3 times in a row .*WORKERS"):
        list(stream(1, {5: die}).batches(0))


def test_systems_without_sigchld(monkeypatch):
    monkeypatch.delattr(signal, "SIGCHLD")
    assert len(list(stream().batches(0))) == 4


@pytest.mark.slow
def test_loader_processes_that_are_spawned(monkeypatch):
    """As on macOS and Windows: everything they need is sent to them."""
    wanted = list(stream().batches(1))
    monkeypatch.setattr("lib.utils.workers.sys.platform", "darwin")
    source = stream(workers=1)
    source._options["multiprocessing_context"] = "spawn"
    found = list(source.batches(1))
    for mine, theirs in zip(found, wanted, strict=True):
        assert torch.equal(mine.batch["image"], theirs.batch["image"])
