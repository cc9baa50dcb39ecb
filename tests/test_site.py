"""The pages: they build, link to what exists, and fetch nothing from anywhere."""

import os
import re
import subprocess
import sys

import pytest
from tool_loader import ROOT

pytest.importorskip("mkdocs")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr  # strict: a link that leads nowhere is an error
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.html")
    }


@pytest.mark.slow
def test_pages_fetch_nothing_from_elsewhere(site):
    assert len(site) > 20
    fetching = re.compile(
        r"<(?:script|img|iframe|source)[^>]*\bsrc=.?(?:https?:)?//|"
        r"<link[^>]*rel=.?(?:stylesheet|preload|preconnect|icon)[^>]*(?:https?:)?//"
    )
    assert {
        name: fetching.findall(text) for name, text in site.items() if fetching.search(text)
    } == {}


@pytest.mark.slow
def test_what_the_code_writes_is_there(site):
    keys, tools, house = (
        site[f"{name}.html"] for name in ("reference/keys", "reference/tools", "explain/house")
    )
    assert "<code>TRAIN.LAYER_DECAY</code>" in keys
    assert "tools/analyse/diverge.py" in tools
    layers = re.findall(r"<span>lib/(\w+)</span>", house)
    assert layers[-1] == "utils"  # lowest
    assert {"api", "engine", "tasks", "models", "codecs"} < set(layers)
    parts = {path.stem for path in (ROOT / "lib").iterdir() if path.suffix in ("", ".py")}
    assert set(layers) == {name for name in parts if not name.startswith(("_", "py."))}
    assert "PoseEstimator.from_pretrained" in site["reference/api.html"]
