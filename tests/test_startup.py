"""What is imported when: a tool's ``--help`` waits for nothing that only its work needs."""

import subprocess
import sys

from tool_loader import ROOT

TOOLS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("tools", "visualization")
    for path in (ROOT / folder).rglob("*.py")
)
HEAVY = {
    "torch", "torchvision", "timm", "scipy", "matplotlib", "pycocotools", "faster_coco_eval",
    "tensorboardX", "onnx", "onnxruntime", "sympy", "pandas",
}  # fmt: skip
# Of others, after --help of all tools: 391 today, 409 with the oldest requirements.
MOST_MODULES = 450
MOST_BESIDE_TORCH = 120  # 70 today: OpenCV, PyYAML, yacs, parts of numpy
HELP = """
import contextlib, io, runpy, sys
for tool in sys.argv[1:]:
    known = set(sys.modules)
    words, text, sys.argv = sys.argv, io.StringIO(), [tool, "--help"]
    with contextlib.redirect_stdout(text):
        try:
            runpy.run_path(tool, run_name="__main__")
        except SystemExit as end:
            assert end.code == 0, end.code
    assert "usage:" in text.getvalue(), text.getvalue()
    others = [name for name in sys.modules if name.partition('.')[0] != 'lib']
    print(tool, len(others), *(set(sys.modules) - known))
"""


def modules_after(code: str, *words: str) -> list[list[str]]:
    """Return the words of each line that ``code`` prints, run by an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def test_help_of_every_tool_imports_nothing_heavy():
    # One process for all: whatever a tool adds is added once, and named beside the first to do so.
    lines = modules_after(HELP, *TOOLS)
    assert [line[0] for line in lines] == TOOLS
    for tool, count, *new in lines:
        assert not HEAVY & set(new), tool
        assert int(count) < MOST_MODULES, tool


API = """
import sys
import torch
known = set(sys.modules)
import lib.api
print(*(set(sys.modules) - known))
"""


def test_the_interface_imports_little_beside_torch():
    new = set(modules_after(API)[0])
    others = {name for name in new if name.partition(".")[0] != "lib"}
    assert not HEAVY - {"torch"} & others
    assert not {name for name in others if name.startswith("torch.")}  # no lazy part of it either
    assert len(others) < MOST_BESIDE_TORCH


CONFIG = """
import sys
from lib.config import load_config
from lib.utils.errors import ConfigError
load_config(sys.argv[1])
for word in ("TRAIN.LRR=1", "MODEL.NAME=pose_hrnett", "MODEL.EXTRA.STAGE9=1"):
    try:
        load_config(sys.argv[1], [word])
    except ConfigError as error:
        assert word.partition("=")[0].rpartition(".")[2] in str(error), error
    else:
        raise AssertionError(word)
print(*sys.modules)
"""


def test_a_wrong_key_is_found_before_torch_is_imported():
    assert not HEAVY & set(modules_after(CONFIG, "experiments/synthpose/quickstart.yaml")[0])


def test_all_schemas_are_read_without_torch():
    code = "import sys, lib.models.recipes; print(*lib.models.recipes.RECIPES); print(*sys.modules)"
    names, modules = modules_after(code)
    assert len(names) > 9
    assert not HEAVY & set(modules)
