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
    *("torch", "torchvision", "timm", "scipy", "matplotlib", "pycocotools", "faster_coco_eval"),
    *("tensorboardX", "onnx", "onnxruntime", "sympy", "pandas"),
}
MOST_MODULES = 550  # after --help of all of them; 430 today, numpy and OpenCV are half of it
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
    print(tool, len(sys.modules), *(set(sys.modules) - known))
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
