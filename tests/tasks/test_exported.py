import logging
import zipfile

import pytest
import torch

from lib.config import load_config
from lib.export import is_exported
from lib.tasks import build_task
from lib.tasks.exported import filled_network
from lib.zoo.metadata import archived_card


def test_a_weight_file_is_read_once_and_says_what_differs(
    tiny_config, tmp_path, monkeypatch, caplog
):
    cfg = load_config(tiny_config, ["TEST.FOLD_BN=false"])
    task = build_task(cfg)
    path = tmp_path / "w.pth"
    meta = {**task.describe(), "codec": "udp"}
    torch.save({"state_dict": task.build_model().state_dict(), "meta": meta}, path)
    read, files = torch.load, []
    monkeypatch.setattr(torch, "load", lambda file, **how: files.append(file) or read(file, **how))
    with caplog.at_level(logging.WARNING):
        network = filled_network(task, cfg, path)
    assert files == [path]
    assert "was trained with codec udp, and is used with gaussian" in caplog.text
    stored = read(path)["state_dict"]
    assert all(torch.equal(value, stored[name]) for name, value in network.state_dict().items())


def test_only_what_asks_for_it_is_compiled(tiny_config, monkeypatch):
    calls = []
    monkeypatch.setattr("lib.tasks.exported.compile_for_prediction", calls.append)
    for words in ([], ["TEST.COMPILE=true"]):
        cfg = load_config(tiny_config, words)
        network = filled_network(build_task(cfg), cfg, None)
        assert calls == ([network] if words else [])


@pytest.mark.parametrize("damage", [b"", b"PK\x05\x06" + bytes(18), b"no archive"])
def test_files_that_are_no_whole_archive_are_no_networks(tmp_path, damage):
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w/code/net.py", "")
    assert is_exported(path)
    whole = path.read_bytes()
    # The end of an archive is where its list of entries stands; here it leads nowhere.
    path.write_bytes(damage or whole[:30] + whole[60:])
    assert not is_exported(path)
    assert archived_card(path) is None
