import logging

import pytest

from lib.utils.logging import setup_logging


@pytest.fixture(autouse=True)
def restore():
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for handler in [h for h in root.handlers if h not in before]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    logging.captureWarnings(False)


def test_lines_go_to_console_and_file(tmp_path, capsys):
    setup_logging(tmp_path / "run")
    logging.getLogger("lib.x").info("hello")
    assert "I hello" in (tmp_path / "run" / "train.log").read_text()
    shown = capsys.readouterr()
    assert "I hello" in shown.err
    assert not shown.out  # tools print results there


def test_a_second_call_does_not_double_lines(tmp_path):
    setup_logging(tmp_path / "a")
    setup_logging(tmp_path / "b")
    logging.getLogger("lib.x").info("hello")
    assert (tmp_path / "a" / "train.log").read_text() == ""
    assert (tmp_path / "b" / "train.log").read_text().count("hello") == 1


def test_other_ranks_show_warnings_only(tmp_path, capsys):
    setup_logging(tmp_path / "run", rank=2)
    logging.getLogger("lib.x").info("hello")
    logging.getLogger("lib.x").warning("careful")
    shown = "".join(capsys.readouterr())
    assert "hello" not in shown
    assert "[rank 2] careful" in shown
    assert not (tmp_path / "run").exists()
