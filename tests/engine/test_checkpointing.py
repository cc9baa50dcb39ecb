import os

import pytest
import torch
from toys.disk import full_disk
from toys.toy_task import ToyNet, toy_config

from lib.engine import checkpointing
from lib.engine.checkpointing import (
    CheckpointStore,
    all_finite,
    check_fingerprint,
    fingerprint,
    load_payload,
    save_atomically,
)
from lib.utils.errors import ConfigError, TrainingError, WeightsError


def payload(value):
    return {"state_dict": {"weight": torch.full((2, 3), float(value))}, "step": value}


def value_of(data):
    return load_payload(data)["step"]


def test_file_is_what_was_saved_and_leaves_nothing_else(tmp_path):
    save_atomically(payload(5), tmp_path / "run" / "a.pth")
    assert value_of(tmp_path / "run" / "a.pth") == 5
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["a.pth"]


def test_failure_keeps_the_old_file_and_no_remains(tmp_path, monkeypatch):
    path = tmp_path / "a.pth"
    save_atomically(payload(5), path)

    def half_then_full(content, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", half_then_full)
    with pytest.raises(TrainingError, match=r"No space left.*intact"):
        save_atomically(payload(6), path)
    assert value_of(path) == 5
    assert [item.name for item in tmp_path.iterdir()] == ["a.pth"]


@pytest.mark.parametrize("size", [1, 10**6])
def test_real_full_disk(tmp_path, size):
    """The failure comes with the last bytes, or in the midst of the file, where torch hides it."""
    path = tmp_path / "a.pth"
    save_atomically(payload(5), path)
    with full_disk(), pytest.raises(TrainingError, match=r"File too large.*intact"):
        save_atomically({"weight": torch.ones(size)}, path)
    assert value_of(path) == 5
    assert [item.name for item in tmp_path.iterdir()] == ["a.pth"]


def test_kill_while_writing_leaves_the_old_file(tmp_path):
    """A child dies by SIGKILL with half of the bytes out."""
    path = tmp_path / "a.pth"
    save_atomically(payload(5), path)
    child = os.fork()
    if child == 0:

        def half_then_die(content, file):
            file.write(b"PK half")
            file.flush()
            os.kill(os.getpid(), 9)

        torch.save = half_then_die
        save_atomically(payload(6), path)
    os.waitpid(child, 0)
    assert (tmp_path / "a.pth.part").exists()
    assert value_of(path) == 5
    save_atomically(payload(7), path)
    assert value_of(path) == 7
    assert not (tmp_path / "a.pth.part").exists()


def test_file_that_reads_back_wrong_is_not_used(tmp_path, monkeypatch):
    path = tmp_path / "a.pth"
    save_atomically(payload(5), path)
    save = torch.save

    def flip_a_bit(content, file):
        save(content, file)
        flip(tmp_path / "a.pth.part", file)

    monkeypatch.setattr(torch, "save", flip_a_bit)
    with pytest.raises(TrainingError, match="damaged"):
        save_atomically(payload(6), path)
    assert value_of(path) == 5


def flip(path, file=None):
    """Change one byte of the tensor stored in ``path``."""
    if file is not None:
        file.flush()
    data = bytearray(path.read_bytes())
    at = data.index(torch.full((2, 3), float(load_payload(path)["step"])).numpy().tobytes())
    data[at + 3] ^= 1
    path.write_bytes(data)


def test_objects_other_than_plain_values_are_refused_when_saving(tmp_path):
    with pytest.raises(TrainingError, match="damaged"):
        save_atomically({"best": fingerprint}, tmp_path / "a.pth")


def test_types_are_checked_with_the_first_file_of_a_kind(tmp_path):
    with pytest.raises(TrainingError, match="damaged"):
        CheckpointStore(tmp_path).save({"optimizer": {}, "best": fingerprint}, 1)
    with pytest.raises(TrainingError, match="damaged"):
        CheckpointStore(tmp_path).save_weights({"best": fingerprint}, "model_best.pth")


def test_newest_checkpoint_is_read(tmp_path):
    store = CheckpointStore(tmp_path)
    assert store.read() is None
    store.save(payload(3), 3)
    store.save(payload(6), 6)
    assert value_of(store.read()) == 6
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pth"]


@pytest.mark.parametrize("links", [True, False])
def test_last_ones_are_kept_in_order_of_steps(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    store = CheckpointStore(tmp_path, keep_last=2)
    for step in (8, 9, 10, 11):
        store.save(payload(step), step)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint.pth", "checkpoint_10.pth", "checkpoint_11.pth", "checkpoint_9.pth"
    ]  # fmt: skip
    assert value_of(store.read()) == 11


def _no_links(source, target):
    raise OSError(1, "Operation not permitted")


def test_folders_that_cannot_be_opened_as_on_windows(tmp_path, monkeypatch):
    real = os.open

    def refuse_folders(path, *args, **kwargs):
        if os.path.isdir(path):  # noqa: PTH112
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse_folders)
    store = CheckpointStore(tmp_path)
    store.save(payload(3), 3)
    assert value_of(store.read()) == 3


def test_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, caplog):
    store = CheckpointStore(tmp_path, keep_last=1)
    store.save(payload(3), 3)
    store.save(payload(6), 6)
    flip(tmp_path / "checkpoint.pth")
    flip_broken = tmp_path / "checkpoint_6.pth"
    flip_broken.write_bytes(flip_broken.read_bytes()[:-200])
    assert value_of(store.read()) == 3
    assert "checkpoint.pth is damaged" in caplog.text


def test_all_damaged_is_an_error(tmp_path):
    (tmp_path / "checkpoint.pth").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="No checkpoint"):
        CheckpointStore(tmp_path).read()


def test_earlier_runs_are_numbered(tmp_path):
    store = CheckpointStore(tmp_path)
    assert store.set_aside() is None
    for number in (1, 2):
        store.save(payload(number), number)
        assert store.set_aside() == tmp_path / f"earlier-{number}"
    assert value_of(tmp_path / "earlier-2" / "checkpoint.pth") == 2


def test_fingerprint_ignores_where_files_lie():
    cfg = toy_config()
    one = fingerprint(cfg)
    cfg.DATASET.ROOT, cfg.MODEL.PRETRAINED, cfg.TRAIN.LR = "elsewhere", "file.pth", 0.5
    check_fingerprint(one, fingerprint(cfg), "folder")
    older = {**one, "MODEL.EXTRA.PRETRAINED_LAYERS": "['backbone']"}  # it was part of a run once
    check_fingerprint(older, fingerprint(cfg), "folder")
    cfg.MODEL.SIGMA = 3.0
    with pytest.raises(ConfigError, match=r"MODEL.SIGMA was 2.0, is 3.0"):
        check_fingerprint(one, fingerprint(cfg), "folder")


def test_lists_and_tuples_have_one_fingerprint():
    cfg = toy_config()
    one = fingerprint(cfg)
    cfg.defrost()
    cfg.MODEL.IMAGE_SIZE = tuple(cfg.MODEL.IMAGE_SIZE)
    check_fingerprint(one, fingerprint(cfg), "folder")


def test_all_finite():
    network = ToyNet()
    network.register_buffer("mask", torch.tensor(float("-inf")))
    assert all_finite(network)
    assert all_finite(torch.nn.Identity())
    for name in ("out.bias", "norm.running_var"):
        network = ToyNet()
        with torch.no_grad():
            network.state_dict()[name][0] = float("inf")
        assert not all_finite(network)


def test_module_names_match_the_table_of_tools():
    assert (checkpointing.LATEST, checkpointing.BEST, checkpointing.FINAL) == (
        "checkpoint.pth", "model_best.pth", "final_state.pth"
    )  # fmt: skip
