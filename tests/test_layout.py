"""The package under test is this checkout, and the tree keeps its shape."""

from pathlib import Path

import lib

ROOT = Path(__file__).parent.parent


def test_lib_is_this_checkout():
    assert Path(lib.__file__).parent == ROOT / "lib"


def test_every_package_has_a_docstring():
    for file in (ROOT / "lib").rglob("__init__.py"):
        assert file.read_text().startswith('"""'), file
