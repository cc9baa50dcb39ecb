"""Which files of torch are networks, and which are let in."""

import json
import pickle
import zipfile

import pytest
import torch
from torch import nn

from lib.export import is_exported, open_network
from lib.export.graph import Graph
from lib.export.torch_network import TorchNetwork, is_torch_file
from lib.export.writer import export_program, export_torchscript
from lib.utils.errors import WeightsError

SIZE = (12, 20)


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "model.pt2"
    export_program(Graph(nn.Conv2d(3, 5, 3, 2, 1), [SIZE]), path, {"name": "tiny"})
    return path


def test_checkpoints_are_no_networks_whatever_they_are_called(tmp_path):
    for name in ("w.pt", "w.pth"):
        torch.save({"state_dict": {"code/a": torch.ones(2)}}, tmp_path / name)
        assert not is_exported(tmp_path / name)
    torch.save(torch.ones(2), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert not is_torch_file(tmp_path / "old.pt")
    assert not is_torch_file(tmp_path / "none.pt")
    assert not is_exported(tmp_path / "w.safetensors")
    export_torchscript(Graph(nn.Conv2d(3, 5, 3), [SIZE]), tmp_path / "model.pth", {})
    assert is_exported(tmp_path / "model.pth")
    for name in ("none.pt2", "none.onnx"):
        assert is_exported(tmp_path / name)


def test_a_damaged_file_is_a_sentence(tmp_path, program):
    content = program.read_bytes()
    for name, part in (("cut.pt2", content[:-300]), ("text.pt2", b"no program")):
        (tmp_path / name).write_bytes(part)
        with pytest.raises(WeightsError, match=f"{name} cannot be run by torch"):
            open_network(tmp_path / name)
    with pytest.raises(WeightsError, match="No weight file"):
        open_network(tmp_path / "none.pt2")


class Bad:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return (print, ("code of a file",))


def with_entry(path, name, content):
    """Write a copy of an archive with one entry more, or in the place of another."""
    copy = path.with_name("bad.pt2")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        for entry in old.namelist():
            if not entry.endswith(name):
                new.writestr(entry, old.read(entry))
        new.writestr(f"{old.namelist()[0].partition('/')[0]}/{name}", content)
    return copy


def test_a_program_that_brings_code_along_is_not_loaded(tmp_path, program, capsys):
    torch.save(Bad(), tmp_path / "bad.pt")
    pickled = json.dumps({"config": {"a": {"path_name": "weight_0", "use_pickle": True}}})
    for name, content in (
        ("data/sample_inputs/model.pt", (tmp_path / "bad.pt").read_bytes()),
        ("data/weights/model_weights_config.json", pickled),
        ("data/constants/custom_obj_0", pickle.dumps(Bad())),
        ("data/aotinductor/model/a.so", b""),
    ):
        with pytest.raises(WeightsError, match=r"bad.pt2 is refused: .* may run code"):
            TorchNetwork(with_entry(program, name, content))
    assert "code of a file" not in capsys.readouterr().out
    assert TorchNetwork(with_entry(program, "data/more.txt", b"x")).card == {"name": "tiny"}


def test_the_modules_of_a_file_are_not_moved(program):
    network = TorchNetwork(program)
    assert [name for name, _ in network.named_parameters()] == ["_place"]
    images = torch.randn(2, 3, 20, 12).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        assert network(images).dtype == torch.float32
