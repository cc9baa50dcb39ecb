"""A user's own modules: found by name or path, in other processes too; what fails gets a line."""

import multiprocessing
import pickle
import re
import subprocess
import sys

import pytest

from lib.models.registry import NECKS
from lib.utils import plugins
from lib.utils.errors import ConfigError
from lib.utils.plugins import blame, import_parts, imported_parts, module_name

PART = """
from lib.models.registry import NECKS

@NECKS.register("{name}")
class Mine:
    def __init__(self, size):
        self.size = size

    def __call__(self, x):
        return x + self.size
"""


@pytest.fixture(autouse=True)
def nothing_imported(monkeypatch):
    monkeypatch.setattr(plugins, "_imported", {})


def write(tmp_path, name, text=PART):
    file = tmp_path / f"{name}.py"
    file.write_text(text.format(name=name))
    return str(file)


def test_a_file_registers_its_parts_once(tmp_path):
    entry = write(tmp_path, "own-parts_1")
    import_parts([entry], "x.yaml")
    import_parts([entry], "x.yaml")
    assert NECKS["own-parts_1"](3)(4) == 7
    assert imported_parts().count(module_name(entry)) == 1


def test_a_module_of_an_installed_package(tmp_path, monkeypatch):
    (tmp_path / "ownpackage").mkdir()
    write(tmp_path / "ownpackage", "inner_part")
    monkeypatch.syspath_prepend(str(tmp_path))
    import_parts(["ownpackage.inner_part"], "x.yaml")
    assert "inner_part" in NECKS


def test_another_process_finds_a_class_by_its_pickle(tmp_path):
    """A process that was not forked knows nothing of the YAML that named the file."""
    entry = write(tmp_path, "pickled_part")
    import_parts([entry], "x.yaml")
    data = pickle.dumps(NECKS["pickled_part"](5))
    code = (
        "import pickle, sys; part = pickle.loads(sys.stdin.buffer.read()); print(part(1));"
        "from lib.models.registry import NECKS; print('pickled_part' in NECKS)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=data,
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().split() == ["6", "True"]


@pytest.mark.slow
def test_loader_processes_that_are_spawned(tmp_path):
    from torch.utils.data import DataLoader

    from lib.utils.workers import worker_options

    entry = write(
        tmp_path,
        "spawned_part",
        PART + "    def __len__(self):\n        return 4\n"
        "    def __getitem__(self, index):\n        return index + self.size\n",
    )
    import_parts([entry], "x.yaml")
    options = worker_options(1) | {"multiprocessing_context": multiprocessing.get_context("spawn")}
    loader = DataLoader(NECKS["spawned_part"](10), batch_size=2, **options)
    assert [batch.tolist() for batch in loader] == [[10, 11], [12, 13]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\ny = undefined\n", "fails in line 2: NameError: name 'undefined' is not defined"),
        ("def f(:\n", "fails in line 1: SyntaxError"),
        ("import nosuchmodule_x\n", "fails in line 1: ModuleNotFoundError: No module named"),
        ("raise SystemExit(3)\n", "fails in line 1: SystemExit: 3"),
        # The decorator's line, or in Python 3.10 that of the class.
        (
            PART.replace("{name}", "efem"),
            r"fails in line [45]: ValueError: neck 'efem' is taken by .*efem.py; choose",
        ),
    ],
)
def test_what_fails_gets_a_sentence_with_the_line(tmp_path, text, words):
    entry = write(tmp_path, "broken", text.replace("{name}", "efem"))
    with pytest.raises(ConfigError, match=words) as caught:
        import_parts([entry], "x.yaml")
    assert str(caught.value).startswith(f"x.yaml: IMPORTS {entry}")
    assert "\n" not in str(caught.value)


def test_a_file_that_failed_can_be_mended(tmp_path):
    """In a notebook the process lives on, and the file's first parts were registered already."""
    entry = write(tmp_path, "mended", PART + "\nundefined\n")
    with pytest.raises(ConfigError, match="in line 12: NameError"):
        import_parts([entry], "x.yaml")
    write(tmp_path, "mended", PART + "\n# a mended file\n")
    import_parts([entry], "x.yaml")
    assert NECKS["mended"](1)(1) == 2
    other = tmp_path / "other.py"
    other.write_text(PART.format(name="mended"))
    with pytest.raises(ConfigError, match=f"neck 'mended' is taken by {entry}"):
        import_parts([str(other)], "x.yaml")


@pytest.mark.parametrize("text", ["import helper_of_mine", "from . import helper_of_mine"])
def test_a_file_beside_is_found_on_the_path_only(tmp_path, text):
    (tmp_path / "helper_of_mine.py").touch()
    with pytest.raises(ConfigError, match=f"put {tmp_path} on PYTHONPATH, and import what lies"):
        import_parts([write(tmp_path, "alone", text)], "x.yaml")


DEEP = """
import json
from lib.utils.files import read_json

def own():
    return {}["x"]

def library():
    return json.loads("{")

def ours():
    return read_json(3)

def memory():
    raise MemoryError
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("own", r"fails in line 6 of .*deep\.py, in own: KeyError: 'x'\."),
        ("library", r"fails in line 9 of .*deep\.py, in library: JSONDecodeError: "),
        ("ours", None),  # a fault of ours, until we know better
        ("memory", None),
    ],
)
def test_what_fails_later_in_a_part_is_told_with_its_line(tmp_path, name, words):
    entry = write(tmp_path, "deep", DEEP.replace("{", "{{").replace("}", "}}"))
    import_parts([entry], "x.yaml")
    with pytest.raises(Exception) as caught:
        getattr(sys.modules[module_name(entry)], name)()
    told = blame(caught.value)
    assert told is None if words is None else re.search(words, told)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("own", "Python finds no module own; install"),
        ("./own", "neither the path of a .py file nor the full name of a module"),
        (".own", "neither the path"),
        ("own parts", "neither the path"),
        ("own.py ", "neither the path"),
        ("/nowhere/part.py", "no such file"),
        ("no_such_module_of_mine.part", "Python finds no module no_such_module_of_mine; install"),
        ("json.no_such_part", "Python finds no module json.no_such_part"),
    ],
)
def test_what_is_not_there(entry, words):
    with pytest.raises(ConfigError, match=words):
        import_parts([entry], "x.yaml")
