"""What README and the other guides name exists: files, tools, flags, keys, targets."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from lib.config import load_config
from lib.config.cli import config_parser
from lib.config.defaults import default_config
from lib.config.legacy import ALIASES, DROPPED

ROOT = Path(__file__).parent.parent
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
GUIDES = ["README.md", "CONTRIBUTING.md", "data/README.md", "models/README.md", *PAGES]
WRITTEN = ("../assets/codecs.png", "../reference/keys.md", "reference/keys.md")  # docs/generate.py
QUICK = "experiments/synthpose/quickstart.yaml"
MADE = ("data/", "models/", "output/", "log/", "pictures/", "dist/")  # by users and by the tools
EXAMPLES = {"a.jpg", "photo.jpg", "w32.pth", "w.pth"}


def test_guides_exist():
    assert [name for name in GUIDES if not (ROOT / name).is_file()] == []


@pytest.fixture(scope="module", params=GUIDES)
def guide(request):
    return (ROOT / request.param).read_text()


def code(text):
    """Return what stands in backquotes or in blocks."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    return [*blocks, *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))]


def commands(text):
    """Return (script, flags) of every call of a script of ours; elsewhere's scripts are not."""
    joined = "\n".join(code(ours(text))).replace("\\\n", " ")
    for line in joined.splitlines():
        found = re.search(r"((?:tools|visualization)/[\w/]+\.py)(.*)", line)
        if found:
            yield found[1], re.findall(r"(?<!\S)(--[\w-]+)", found[2].partition("#")[0])


def ours(text):
    """Leave out the left column of the table of other projects."""
    return re.sub(r"^\|[^|\n]*\|(?=.*\|$)", "|", text, flags=re.MULTILINE)


def test_no_placeholders(guide):
    words = re.findall(r"(?i)\b(todo|fixme|tbd|xxx|lorem|coming soon|placeholder)\b", guide)
    assert words == []


def test_links_lead_somewhere(guide, request):
    folder = (ROOT / request.node.callspec.params["guide"]).parent
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", guide):
        if "://" not in target and target not in WRITTEN:
            assert (folder / target).exists(), target


def test_files_exist(guide):
    pattern = r"(?:lib|experiments|tools|visualization|tests|\.ci)/[\w./{},*-]*[\w*}]"
    for name in re.findall(pattern, "\n".join(code(ours(guide)))):
        for path in braces(name):
            found = list(ROOT.glob(path)) or list(ROOT.glob(f"{path}.py"))
            assert found, name


def braces(name):
    """Return the paths that ``a/{b,c}/d`` stands for."""
    found = re.search(r"\{([^}]*)\}", name)
    if not found:
        return [name]
    parts = found[1].split(",")
    return [p for part in parts for p in braces(name[: found.start()] + part + name[found.end() :])]


def test_tools_take_the_flags(guide):
    common = set(config_parser("x")._option_string_actions)
    for script, flags in commands(guide):
        source, own = (ROOT / script).read_text(), flags_in(ROOT / script)
        own |= common if "config_parser" in source else {"--help"}
        if "sbatch" in source:
            own |= flags_in(ROOT / "lib/utils/sbatch.py")
        assert set(flags) <= own, script


def flags_in(path):
    return set(re.findall(r"[\"'](--[\w-]+)[\"']", path.read_text()))


def test_keys_exist(guide):
    tree = default_config()
    known = {*ALIASES, *DROPPED}
    for key in re.findall(
        r"(?<![\w.])((?:DATASET|TRAIN|TEST|LOSS|FP16|CUDNN)\.[A-Z0-9_]+)\b", guide
    ):
        section, name = key.split(".")
        assert name in tree[section] or key in known, key
    for name in re.findall(r"\bMODEL\.([A-Z0-9_]+)\b", guide):
        assert name in tree.MODEL, name


def test_make_targets_exist(guide):
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z][a-z-]+)\b", "\n".join(code(ours(guide)))):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_tool_is_named():
    text = "".join((ROOT / name).read_text() for name in GUIDES)
    scripts = [*(ROOT / "tools").glob("*.py"), *(ROOT / "visualization").glob("*.py")]
    assert [path.name for path in scripts if path.name not in text] == []


def test_python_examples_compile(guide):
    for block in re.findall(r"```python\n(.*?)```", guide, re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("lib"):
                module = __import__(node.module, fromlist=["x"])
                assert all(hasattr(module, alias.name) for alias in node.names)


def test_yaml_examples_load(guide, tmp_path):
    for block in re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL):
        if "IMPORTS" in block:
            continue  # tests/tools/test_own_parts.py trains it, with the page's own parts
        base = "" if "_BASE_" in block else f"_BASE_: {QUICK}\n"
        text = re.sub(r"_BASE_: (\w.*)", lambda found: f"_BASE_: {ROOT / found[1]}", base + block)
        (tmp_path / "example.yaml").write_text(text)
        load_config(tmp_path / "example.yaml")  # unknown keys and wrong values are errors


def test_shell_examples_parse(guide):
    for kind, block in re.findall(r"^```(\w*)\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE):
        if not kind and "/*.jpg" not in block and "<" not in block:
            done = subprocess.run(
                ["bash", "-n"], input=block, text=True, check=False, capture_output=True
            )
            assert done.returncode == 0, done.stderr
