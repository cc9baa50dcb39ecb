"""Fixtures for all tests: few threads, and the folder of reference data where it is present."""

import json
import os
from pathlib import Path

import cv2
import pytest
import torch
import yaml
from loopback import serving

from lib.datasets.synthetic import Recipe, write_dataset
from lib.zoo import fetch, index

torch.set_num_threads(1)
cv2.setNumThreads(1)

DEFAULT_SHARED = Path(__file__).parent.parent.parent / "shared"


@pytest.fixture
def three_cores():
    """Have torch believe in three cores."""
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with ``golden/`` (reference outputs) and ``data/`` (real images); skips if absent."""
    folder = Path(os.environ.get("EFEPOSE_SHARED", DEFAULT_SHARED))
    if not (folder / "golden").is_dir():
        pytest.skip(f"reference data is not in {folder}")
    return folder


@pytest.fixture(scope="session")
def synthpose(tmp_path_factory) -> Path:
    """A small embedded data set: ``coco/`` with 6 training and 4 test images."""
    folder = tmp_path_factory.mktemp("synthpose")
    write_dataset(folder, Recipe(train=6, val=4, seed=3, size=(160, 120)), workers=1)
    return folder


@pytest.fixture
def tiny_config(synthpose, tmp_path):
    """Write a YAML of a network of a few thousand weights on ``synthpose``; return its path."""
    path = tmp_path / "tiny.yaml"
    settings = {
        "DATASET": {"DATASET": "coco", "ROOT": str(synthpose / "coco"), "COLOR_RGB": True},
        "MODEL": {
            "NAME": "pose_hrnet",
            "INIT_WEIGHTS": False,
            "IMAGE_SIZE": [64, 96],
            "HEATMAP_SIZE": [16, 24],
            "SIGMA": 1,
            "EXTRA": {
                "STAGE1": {"NUM_BLOCKS": [1], "NUM_CHANNELS": [4]},
                "STAGE2": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 2, "NUM_CHANNELS": [4, 8]},
                "STAGE3": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 3, "NUM_CHANNELS": [4, 8, 8]},
                "STAGE4": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 4, "NUM_CHANNELS": [4, 8, 8, 8]},
            },
        },
        "TRAIN": {"END_EPOCH": 2, "BATCH_SIZE_PER_GPU": 5, "LR_STEP": [1]},
        "TEST": {"USE_GT_BBOX": True, "FLIP_TEST": True, "SHIFT_HEATMAP": True, "OKS_THRE": 0.9},
        "WORKERS": 0,
        "OUTPUT_DIR": str(tmp_path / "output"),
        "LOG_DIR": str(tmp_path / "log"),
    }
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.fixture
def site():
    """A web server on this machine, see ``loopback.Site``."""
    with serving() as running:
        yield running


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache of weights, no settings of the user's, no waiting between attempts."""
    for name in (fetch.MIRROR, fetch.OFFLINE, index.OWN_INDEX, "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv(fetch.HOME, str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(fetch, "PAUSE", 0.0)
    return tmp_path / "home" / "weights"


@pytest.fixture
def own_index(tmp_path, monkeypatch, home):
    """Return what writes an index of the user's own (a dictionary, or any text) and uses it."""

    def write(content):
        file = tmp_path / "own.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        monkeypatch.setenv(index.OWN_INDEX, str(file))
        index._load.cache_clear()
        return index.load_index()

    yield write
    index._load.cache_clear()
