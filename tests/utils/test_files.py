import json
import re
from pathlib import Path

import numpy as np
import pytest

from lib.config import load_config
from lib.evaluation.mpii import read_mat
from lib.models import read_checkpoint
from lib.utils import files
from lib.utils.errors import DataError, UserError
from lib.utils.files import at_home, fault_in, json_text, read_json
from lib.utils.images import read_image


def test_content(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1, null]}')
    assert read_json(tmp_path / "a.json") == {"a": [1, None]}


@pytest.mark.parametrize("content", [b"\xff\xfe\xfa", b"{", b"", b"[" * 100_000, b"{'a': 1}"])
def test_what_is_not_json_is_said(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=r"The box file .*a\.json is not JSON"):
        read_json(tmp_path / "a.json", "box")


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(DataError, match=r"No file .*; check the path\."):
        read_json(tmp_path)
    with pytest.raises(DataError, match=r"No box file .*x\.json; look again\."):
        read_json(tmp_path / "x.json", "box", "look again")


def test_arrays_become_lists_and_what_json_lacks_is_refused():
    tree = {
        "a": np.array([[1.5, 2.0]]),
        "b": [np.array([3, 4])],
        "c": np.array([], bool),
        "d": (1,),
    }
    text = json_text(tree)
    assert json.loads(text) == {"a": [[1.5, 2.0]], "b": [[3, 4]], "c": [], "d": [1]}
    assert text.count("\n") == 0 < json_text(tree, indent=1).count("\n")
    for value in (np.array([np.nan]), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            json_text({"a": value})


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("a/b/c.json", ""),  # the last part alone is missing
        ("a/x/y/c.json", " (there is no folder {}/a/x)"),
        ("a/note.txt/c.json", " ({}/a/note.txt is no folder)"),
        ("a/note.txt", ""),  # there is nothing wrong with it
        ("A/b/c.json", " (there is no {0}/A, but {0}/a: capital letters count here)"),
        ("a/b/NOTE.txt", " (there is no {0}/a/b/NOTE.txt, but {0}/a/b/note.TXT: capital"),
    ],
)
def test_the_part_of_a_path_that_is_at_fault(tmp_path, path, words):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/note.txt").write_text("")
    (tmp_path / "a/b/note.TXT").write_text("")
    found = fault_in(tmp_path / path)
    assert found.startswith(words.format(tmp_path))
    assert bool(found) == bool(words)


def test_paths_of_windows_are_explained(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    found = fault_in(f"{tmp_path}/a\\b\\c.json")
    assert found == f" (folders are parted by / here: {tmp_path}/a/b/c.json)"
    odd = tmp_path / "odd\\name"
    odd.write_text("", encoding="utf-8")
    assert fault_in(odd) == ""


def test_relative_paths_and_closed_folders(tmp_path, monkeypatch):
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert fault_in("a/b") == fault_in("x") == fault_in("") == ""
    assert fault_in("a/x/y") == f" (there is no folder {Path('a/x')})"
    monkeypatch.setattr(files.os, "access", lambda path, mode: Path(path) != Path("a"))
    assert fault_in("a/b/c") == " (the folder a may not be entered)"


@pytest.mark.parametrize("kind", ["json", "image", "zip", "weights", "yaml", "mat"])
def test_every_reader_names_the_part(tmp_path, kind):
    path = tmp_path / "no" / "folder" / "file"
    read = {
        "json": lambda: read_json(path),
        "image": lambda: read_image(path),
        "zip": lambda: read_image(f"{path}.zip@a.jpg"),
        "weights": lambda: read_checkpoint(path),
        "yaml": lambda: load_config(path),
        "mat": lambda: read_mat(path, ()),
    }[kind]
    with pytest.raises(UserError, match=rf"there is no folder {re.escape(str(tmp_path))}.no\)"):
        read()


def test_homes_are_filled_in_where_there_is_somebody(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert at_home("~/w.pth") == tmp_path / "w.pth"
    assert at_home("~nobody99/w.pth") == Path("~nobody99/w.pth")


def test_files_of_one_name_are_told_apart():
    assert files.short_names(["a/x.json", "b/y.json"]) == ["x.json", "y.json"]
    names = files.short_names(["a/results/x.json", "b/results/x.json", "c/y.json"])
    assert names == ["a/results/x.json", "b/results/x.json", "y.json"]
    assert files.short_names(["x.json", "/a/x.json"]) == ["x.json", "a/x.json"]
    assert files.short_names(["/a/x.json", "/a/x.json"]) == ["x.json", "x.json"]


@pytest.mark.parametrize(
    ("there", "asked", "words"),
    [
        ("b\u00e4r.png", "ba\u0308r.png", "Unicode form"),
        ("ba\u0308r.png", "b\u00e4r.png", "Unicode form"),
        ("a b.png", "a%20b.png", "as in an address"),
        ("a b.png", "a b.png ", "blanks"),
        ("ab.png", "ab", "endings"),
        ("ab.png", "ab.jpg", "endings"),
        ("ab.png", "ac.png", ""),
    ],
)
def test_names_that_are_nearly_alike(tmp_path, there, asked, words):
    (tmp_path / there).write_text("")
    found = fault_in(tmp_path / asked)
    assert words in found
    assert (f"but {tmp_path / there}: " in found) == bool(words)
