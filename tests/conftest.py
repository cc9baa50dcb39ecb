"""Fixtures for all tests: few threads, and the folder of reference data where it is present."""

import os
from pathlib import Path

import cv2
import pytest
import torch

torch.set_num_threads(1)
cv2.setNumThreads(1)

DEFAULT_SHARED = Path(__file__).parent.parent.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with ``golden/`` (reference outputs) and ``data/`` (real images); skips if absent."""
    folder = Path(os.environ.get("EFEPOSE_SHARED", DEFAULT_SHARED))
    if not (folder / "golden").is_dir():
        pytest.skip(f"reference data is not in {folder}")
    return folder
