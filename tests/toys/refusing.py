"""A tool that must refuse what it is given."""

import pytest

from lib.utils.cli import run_tool


def refused(tool, words, capsys):
    """Run a tool that must leave with 2; return its sentence."""
    with pytest.raises(SystemExit) as left:
        run_tool(lambda: tool.main(words))
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    (sentence,) = [line for line in error.splitlines() if line.startswith("error: ")]
    return sentence
