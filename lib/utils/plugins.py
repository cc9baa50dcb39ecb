"""A user's own parts: modules and files that ``IMPORTS`` names, which register themselves.

A file gets a module name that says where it lies, below this module. Whoever meets the name, a
loader process that unpickles an object of a user's class for instance, finds the file by it.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

from lib.utils.errors import ConfigError, UserError

__path__: list[str] = []  # so that modules may have names below this one
PREFIX = f"{__name__}."
# Parts of ours that register themselves; they come first, so that a name that is taken is refused
# where it is given. By name: they stand above this module.
OURS = (
    "lib.models.recipes",
    "lib.models.backbones",
    "lib.models.necks",
    "lib.models.heads",
    "lib.evaluation.metrics",
    "lib.datasets.sources",
    "lib.losses.registry",
    "lib.codecs",
)

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_imported: dict[str, None] = {}  # names of modules, in order


class _FileFinder(MetaPathFinder):
    """Finds the file that a module name below this one stands for."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to load the file, None for other names."""
        del path, target
        file = _file_of(fullname)
        return None if file is None else spec_from_file_location(fullname, file)


sys.meta_path.append(_FileFinder())


def import_parts(entries: Iterable[str], source: str) -> None:
    """Import what ``IMPORTS`` names; a module is run once per process.

    Args:
        entries: names of modules, and absolute paths of ``.py`` files.
        source: YAML file or command line, for messages.

    Raises:
        ConfigError: there is no such module or file, or it fails.
    """
    for entry in entries:
        name = module_name(entry)
        if name in _imported:
            continue
        for ours in OURS:
            import_module(ours)
        _import(entry, name, f"{source}: IMPORTS {entry}")
        _imported[name] = None


def import_again(names: Iterable[str]) -> None:
    """Import modules in a new process, under the names they have in the process it came from."""
    for name in names:
        import_module(name)


def imported_parts() -> tuple[str, ...]:
    """Return the names of the modules that `import_parts` has imported, for `import_again`."""
    return tuple(_imported)


def module_name(entry: str) -> str:
    """Return the module name of an entry of ``IMPORTS``; that of a file holds its path."""
    if not entry.endswith(".py"):
        return entry
    stem = re.sub(r"\W", "_", Path(entry).stem)
    return f"{PREFIX}{stem}_{entry.encode().hex()}"


def _file_of(name: str) -> Path | None:
    """Undo `module_name`; None for a name that it did not make."""
    if not name.startswith(PREFIX):
        return None
    try:
        return Path(bytes.fromhex(name.rpartition("_")[2]).decode())
    except ValueError:
        return None


def _import(entry: str, name: str, place: str) -> None:
    file = _file_of(name)
    if file is not None and not file.is_file():
        raise ConfigError(f"{place}: there is no such file; give its path from the YAML's folder.")
    if file is None and not _MODULE.fullmatch(name):
        raise ConfigError(
            f"{place} is neither the path of a .py file nor the full name of a module, as "
            "package.module."
        )
    try:
        import_module(name)
    except UserError as error:
        raise ConfigError(f"{place}: {error}") from error
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _failed(place, error, file) from error
        raise ConfigError(
            f"{place}: Python finds no module {error.name}; install it, put its folder on "
            "PYTHONPATH, or give the path of a .py file."
        ) from None
    except (Exception, SystemExit) as error:  # a user's code may raise anything
        raise _failed(place, error, file) from error


def is_foreign(kind: object) -> bool:
    """Return whether a class or function comes from outside this package."""
    module = getattr(kind, "__module__", "")
    return not module.startswith("lib.") or module.startswith(PREFIX)


def blame(error: BaseException) -> str | None:
    """Return what went wrong in a user's part, and where, if the error arose there.

    It did if no code of ours was called from there: what libraries refuse is the part's mistake.
    None for other errors, and where memory ended, whoever asked for it.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return None
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        module = frame.f_globals.get("__name__", "")
        if module in _imported:
            place = f"line {line} of {frame.f_code.co_filename}, in {frame.f_code.co_name}"
            return f"A part that IMPORTS names fails in {place}: {_words(error)}."
        if module.startswith("lib."):
            return None
    return None


def failure(error: BaseException, part: Callable[..., object]) -> str:
    """Return what went wrong in a function of a user's, and in which line, without a full stop.

    A class counts as its constructor.
    """
    code = getattr(part, "__code__", None) or getattr(part.__init__, "__code__", None)
    file = Path(code.co_filename) if code else None
    name = getattr(part, "__name__", repr(part))
    return f"{name} of {file or 'a module'} fails{_line(error, file)}: {_words(error)}"


def _failed(place: str, error: BaseException, file: Path | None) -> ConfigError:
    """Return the error of a module that fails, with the line of it that was last run."""
    advice = _how_to_import(error, file)
    return ConfigError(f"{place} fails{_line(error, file)}: {_words(error)}{advice}.")


def _how_to_import(error: BaseException, file: Path | None) -> str:
    """Return what helps a file that imports another one beside it; nothing if that is not it."""
    if file is None or not isinstance(error, ImportError) or not error.name:
        return ""
    relative = f"{error.name}.".startswith(PREFIX)  # `from . import other`
    other = error.name.removeprefix(PREFIX).partition(".")[0]
    if not relative and not any((file.parent / found).exists() for found in (other, f"{other}.py")):
        return ""
    return (
        f"; a file named by its path belongs to no package: put {file.parent} on PYTHONPATH, and "
        "import what lies there by its plain name"
    )


def _line(error: BaseException, file: Path | None) -> str:
    """Return the line of ``file`` that was last run, or that is no Python; nothing if none was."""
    if isinstance(error, SyntaxError):
        return f" in line {error.lineno}" if error.lineno else ""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if file and frame.filename == str(file)]
    return f" in line {lines[-1]}" if lines else ""


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split()) or 'no words'}"
