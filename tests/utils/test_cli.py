import argparse
import errno
import io
import os
import subprocess
import sys

import pytest
import torch
from tool_loader import ROOT

from lib.utils.cli import amount, count, run_tool
from lib.utils.errors import DataError


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (DataError("No file a."), 2, "error: No file a.\n"),
        (FileNotFoundError(2, "No such file", "a"), 2, "error: a: No such file; check the path.\n"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 2, "free some space"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_mistakes_of_users_are_one_sentence(error, code, text, capsys):
    with pytest.raises(SystemExit) as left:
        run_tool(lambda: fail(error))
    assert left.value.code == code
    assert text in capsys.readouterr().err


def test_faults_of_ours_keep_their_traceback():
    with pytest.raises(OSError, match="broken pipe of ours"):
        run_tool(lambda: fail(OSError("broken pipe of ours")))


def test_the_folder_that_cannot_be_made_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as left:
        run_tool(lambda: (tmp_path / "file/coco/w32").mkdir(parents=True))
    assert left.value.code == 2
    assert f"({tmp_path / 'file'} is no folder)" in capsys.readouterr().err


def test_an_operator_that_apples_gpu_lacks_is_named(capsys):
    error = NotImplementedError(
        "The operator 'aten::_fancy' is not currently implemented for the MPS device. If you want "
        "this op to be considered ... set the environment variable `PYTORCH_ENABLE_MPS_FALLBACK=1`"
    )
    with pytest.raises(SystemExit) as left:
        run_tool(lambda: fail(error))
    assert left.value.code == 2
    assert "has no operator aten::_fancy; set" in capsys.readouterr().err
    with pytest.raises(NotImplementedError):
        run_tool(lambda: fail(NotImplementedError("ours")))


def test_what_cannot_be_compiled_is_one_sentence(capsys):
    def broken(graph, inputs):
        raise OSError("No working C++ compiler\nand more")

    compiled = torch.compile(torch.nn.Linear(2, 2), backend=broken)
    with pytest.raises(SystemExit) as left:
        run_tool(lambda: compiled(torch.zeros(1, 2)))
    said = capsys.readouterr().err
    assert left.value.code == 2
    assert said.startswith("error: torch.compile failed: ")
    assert "TEST.COMPILE false" in said
    assert "No working C++ compiler" in said
    assert said.count("\n") == 1


def test_letters_that_a_console_lacks_stop_nobody(monkeypatch):
    """Code page 1252 has no Polish l."""
    console = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", console)
    with pytest.raises(SystemExit) as left:
        run_tool(lambda: print("Ł.jpg", flush=True))
    assert left.value.code == 0
    assert console.buffer.getvalue().strip() == b"?.jpg"


def fail(error):
    raise error


def test_a_reader_that_has_seen_enough_is_no_fault():
    code = (
        "from lib.utils.cli import run_tool\n"
        "run_tool(lambda: [print('x' * 1000) for _ in range(1000)])"
    )
    tool = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    assert tool.stdout.readline()
    tool.stdout.close()
    assert (tool.wait(), tool.stderr.read()) == (141, b"")
    tool.stderr.close()


@pytest.mark.parametrize("text", ["0", "-3"])
def test_a_count_is_at_least_one(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"at least 1, got {text}"):
        count(text)
    assert count("7") == 7


@pytest.mark.parametrize("text", ["-1", "2.0", "many"])
def test_an_amount_is_at_least_nothing(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"at least 0, got {text}"):
        amount(text)
    assert (amount("0"), amount("7")) == (0, 7)
