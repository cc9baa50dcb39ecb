import os

import pytest
from toys.toy_task import ToyTask, toy_config

from lib.engine import fit
from lib.utils.errors import BusyError, DataError
from lib.utils.lock import FolderLock


def test_a_second_run_is_refused_and_touches_nothing(tmp_path):
    """As somebody who starts the same command twice."""
    met = []

    def start_another(epoch):
        if epoch != 2 or met:
            return
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        with pytest.raises(BusyError, match=f"process {os.getpid()}.*training since") as refusal:
            fit(toy_config(ROOT__SEED=5), ToyTask(), tmp_path)
        after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        met.append((str(refusal.value), before, after))

    task = ToyTask(broken={"any": start_another})
    assert fit(toy_config(), task, tmp_path).finished
    ((sentence, before, after),) = met
    assert str(tmp_path) in sentence
    assert before == after
    assert {"checkpoint.pth", "model_best.pth", "running.lock"} <= set(before)
    assert not list(tmp_path.glob("earlier-*"))
    assert not list(tmp_path.glob("*.lock"))
    assert fit(toy_config(END_EPOCH=1), ToyTask(), tmp_path).finished


def test_a_run_whose_folder_was_taken_over_writes_no_more(tmp_path):
    """A process that slept for long must not write over what its successor did."""

    def lose(epoch):
        if epoch == 2:
            (tmp_path / "running.lock").unlink()
            thief = FolderLock(tmp_path, "training")
            thief.__enter__()
            (tmp_path / "checkpoint.pth").write_bytes(b"theirs")

    with pytest.raises(BusyError, match="took over"):
        fit(toy_config(), ToyTask(broken={"any": lose}), tmp_path)
    assert (tmp_path / "checkpoint.pth").read_bytes() == b"theirs"
    assert (tmp_path / "running.lock").is_file()


@pytest.mark.parametrize("error", [DataError("bad"), RuntimeError("ours")])
def test_a_run_that_fails_gives_its_folder_back(tmp_path, error):
    def fail(epoch):
        raise error

    with pytest.raises(type(error)):
        fit(toy_config(), ToyTask(broken={3: fail}), tmp_path)
    assert not list(tmp_path.glob("*.lock"))
