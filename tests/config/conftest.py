"""Fixtures of the tests of configurations."""

import pytest


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a YAML file, and its path."""

    def to_file(text, name="a.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
        return path

    return to_file
