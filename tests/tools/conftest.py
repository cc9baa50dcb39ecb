"""Fixtures of tools on a copy of the data set that may be spoilt."""

import shutil

import pytest


@pytest.fixture
def data(synthpose, tmp_path):
    """Copy synthpose; return its coco folder, which a test may damage."""
    shutil.copytree(synthpose / "coco", tmp_path / "coco")
    return tmp_path / "coco"


@pytest.fixture
def command(data, tiny_config):
    """Return words that run a tool on the copy; a few more may follow."""

    def words(*more):
        return ["--cfg", str(tiny_config), "DATASET.ROOT", str(data), *map(str, more)]

    return words
