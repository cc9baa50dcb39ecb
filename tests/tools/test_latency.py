"""The latency table in small: every form is the same network; times are not judged."""

import json

import pytest
import torch
from tool_loader import load_script

from lib.benchmark.latency import FORMS, latency, make_form
from lib.benchmark.latency import _check_same as check_same
from lib.config import load_config
from lib.models import build_model
from lib.utils.errors import ConfigError

tool = load_script("tools/latency.py")
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread():
    yield
    torch.set_num_threads(1)


def test_rows_of_every_form(tiny_config, capsys):
    words = ["--cfg", str(tiny_config), "--batch", "1", "3", "--threads", "1", "2"]
    tool.main([*words, "--rounds", "1", "--fold", "--json"])
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["form"] for row in rows] == list(FORMS[:4]) * 4
    assert [(row["threads"], row["batch"]) for row in rows[::4]] == [(1, 1), (1, 3), (2, 1), (2, 3)]
    assert rows[0]["input"] == "96x64"
    assert rows[0]["speedup"] == 1
    assert rows[0]["clock"] == "processor time"
    assert rows[-1]["clock"] == "wall clock"
    assert all(row["milliseconds"] > 0 for row in rows)
    assert len({row["params"] for row in rows}) == 1
    memory = [row["megabytes"] for row in rows]
    assert None in memory or min(memory) > 0.1


def test_files_in_other_runtimes(tiny_config, capsys, monkeypatch):
    pytest.importorskip("onnxruntime")
    words = ["--cfg", str(tiny_config), "--batch", "1", "2", "--threads", "1", "2", "--runtimes"]
    monkeypatch.setattr(
        "lib.benchmark.latency.find_spec", lambda name: None if name == "openvino" else name
    )
    tool.main([*words, "--rounds", "1", "--json"])
    shown = capsys.readouterr()
    rows = json.loads(shown.out)["rows"]
    assert [row["form"] for row in rows] == ["plain", "channels_last", "onnx"] * 4
    assert all(row["milliseconds"] > 0 for row in rows)
    assert "openvino left out: pip install openvino" in shown.err
    gpu = tool.chosen_forms(tool.parse_args(words), "cuda")
    assert gpu == ["plain", "channels_last"]
    assert "onnx left out: it is timed on the processor only" in capsys.readouterr().err


def test_runtimes_answer_as_the_network_before_they_are_timed(tiny_config, monkeypatch):
    pytest.importorskip("openvino")
    network, seen = build_model(load_config(tiny_config)), {}

    def check(networks, *others):
        seen.update({form: getattr(one, "runtime", "") for form, one in networks.items()})
        check_same(networks, *others)

    monkeypatch.setattr("lib.benchmark.latency._check_same", check)
    options = {"batches": [2], "threads": [1], "rounds": 1, "device": CPU}
    rows = latency(network, (96, 64), forms=["plain", "onnx", "openvino"], **options)
    assert [row["form"] for row in rows] == list(seen) == ["plain", "onnx", "openvino"]
    assert list(seen.values())[::2] == ["", "OpenVINO"]
    assert seen["onnx"].endswith("of onnxruntime")


def test_table(tiny_config, capsys):
    tool.main(["--cfg", str(tiny_config), "--batch", "2", "--rounds", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("processor")
    assert lines[1].split()[0] == "model"
    assert [line.split()[6] for line in lines[2:]] == ["plain", "channels_last"]


def test_a_form_that_differs_is_not_timed(tiny_config, monkeypatch):
    network = build_model(load_config(tiny_config))

    def spoilt(network, form, device):
        made = make_form(network, form, device)
        if form == "folded":
            next(made.parameters()).data.mul_(1.1)
        return made

    monkeypatch.setattr("lib.benchmark.latency.make_form", spoilt)
    with pytest.raises(AssertionError, match="folded differs from plain"):
        latency(
            network,
            (96, 64),
            forms=["plain", "folded"],
            batches=[1],
            threads=[1],
            rounds=1,
            device=CPU,
        )


def test_networks_of_several_outputs(capsys):
    words = ["--cfg", "experiments/synthpose/codecs/simcc.yaml", "--batch", "1", "--rounds", "1"]
    tool.main([*words, "--fold"])
    assert len(capsys.readouterr().out.splitlines()) == 2 + 4


def test_only_networks_of_one_person(tmp_path):
    path = tmp_path / "other.yaml"
    path.write_text("MODEL: {NAME: keypoint_rcnn}\n")
    with pytest.raises(ConfigError, match="one person"):
        tool.main(["--cfg", str(path)])
