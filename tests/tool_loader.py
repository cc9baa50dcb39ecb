"""Tools are scripts, not modules of a package: load one by its path."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent


def load_script(path: str) -> ModuleType:
    """Return ``tools/train.py`` and the like as a module."""
    spec = spec_from_file_location(Path(path).stem + "_script", ROOT / path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
