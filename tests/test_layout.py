"""The package under test is this checkout, and the tree keeps its shape."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

import lib

ROOT = Path(__file__).parent.parent


def test_lib_is_this_checkout():
    assert Path(lib.__file__).parent == ROOT / "lib"


def test_every_package_has_a_docstring():
    for file in (ROOT / "lib").rglob("__init__.py"):
        assert file.read_text().startswith('"""'), file


def test_kept_files_have_plain_names():
    """What a test left behind in the root stays out of the repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.split(b"\0")
    odd = [name for name in names if not re.fullmatch(rb"[\w ./+\[\]-]*", name)]
    assert not odd


def test_every_text_file_says_its_encoding():
    """Windows reads and writes another one unless told."""
    silent = []
    for folder in ("lib", "tools", "visualization"):
        for file in (ROOT / folder).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            silent += [f"{file}:{call.lineno}" for call in _silent_calls(ast.parse(text))]
    assert not silent


def _silent_calls(tree):
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or any(key.arg == "encoding" for key in call.keywords):
            continue
        function = call.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        words = [c.value for c in ast.walk(call) if isinstance(c, ast.Constant)]
        binary = any(
            isinstance(word, str) and re.fullmatch(r"[rwaxb+]*b[rwaxb+]*", word) for word in words
        )
        others = ast.unparse(function).startswith(("os.", "urllib.", "zipfile.", "Image."))
        if name in ("read_text", "write_text", "FileHandler") or (
            name == "open" and not binary and not others
        ):
            yield call


def test_the_search_for_encodings_finds_them():
    code = (
        "p.read_text()\np.write_text('a')\nopen(p)\np.open('w')\nlogging.FileHandler(p)\n"
        "p.open('rb')\nopen(p, 'wb')\nos.open(p, 0)\n"
        "p.read_text(encoding='utf-8')\nopen(p, encoding='x')"
    )
    assert [call.lineno for call in _silent_calls(ast.parse(code))] == [1, 2, 3, 4, 5]
