"""Files -> their content, with one sentence for each thing that can be wrong."""

from __future__ import annotations

import json
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lib.utils.errors import DataError


def at_home(path: str | Path) -> Path:
    """Return a path with ``~`` and ``~name`` filled in; as it is where nobody has that name."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def short_names(paths: Sequence[str]) -> list[str]:
    """Return each file's name, with as many folders before it as tell apart those of one name."""
    parts = {path: Path(path).parts for path in dict.fromkeys(paths)}
    lengths = dict.fromkeys(parts, 1)
    for _ in range(max(map(len, parts.values()), default=0)):
        names = {path: str(Path(*own[-lengths[path] :])) for path, own in parts.items()}
        times = Counter(names.values())
        lengths = {path: lengths[path] + (times[name] > 1) for path, name in names.items()}
    return [str(Path(*parts[path][-lengths[path] :])) for path in paths]


def fault_in(path: str | Path) -> str:
    """Return which part of a path is at fault, in brackets after a blank; nothing if none is.

    The last part alone missing needs no more words, unless something is there that is named alike.
    """
    path = Path(path)
    if os.sep == "/" and "\\" in str(path) and not path.exists():
        return f" (folders are parted by / here: {str(path).replace(chr(92), '/')})"
    for part in (*reversed(path.parents), path):
        if not part.exists():
            near = _named_alike(part)
            if near:
                return f" (there is no {part}, but {near})"
            return "" if part == path else f" (there is no folder {part})"
        if part != path and not part.is_dir():
            return f" ({part} is no folder)"
        if part != path and not os.access(part, os.X_OK):
            return f" (the folder {part} may not be entered)"
    return ""


# What may differ in a name, for messages, and what is then equal.
_ALIKE: dict[str, Callable[[str], str]] = {
    "capital letters count here": str.casefold,
    "the same letters in another Unicode form, NFC or NFD": partial(unicodedata.normalize, "NFC"),
    "the name is written as in an address, with %20 and the like": unquote,
    "the name has blanks at an end": str.strip,
    "the endings differ": lambda name: name.rpartition(".")[0] or name,
}


def _named_alike(part: Path) -> str:
    """Return what lies there under nearly the same name, and what differs; '' for nothing."""
    try:
        names = [path.name for path in part.parent.iterdir()]
    except OSError:
        return ""
    for difference, plain in _ALIKE.items():
        wanted = {part.name, plain(part.name)}
        for name in names:
            if plain(name) in wanted or name in wanted:
                return f"{part.with_name(name)}: {difference}"
    return ""


def read_json(path: str | Path, kind: str = "", advice: str = "check the path") -> Any:
    """Return the content of a JSON file.

    Args:
        path: the file.
        kind: what it is, for messages (``annotation``).
        advice: what to do if it is not there.

    Raises:
        DataError: the file is missing, unreadable or not JSON.
    """
    file = Path(path)
    name = f"{kind} file {file}".strip()
    if not file.is_file():
        raise DataError(f"No {name}{fault_in(file)}; {advice}.")
    try:
        return json.loads(file.read_bytes())
    except OSError as error:
        raise DataError(f"The {name} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, nested without end
        raise DataError(f"The {name} is not JSON ({error}); is it complete?") from None


def json_text(value: Any, indent: int | None = None) -> str:
    """Return a tree of plain values and NumPy arrays as JSON; arrays become (nested) lists.

    Raises:
        ValueError: there is a NaN or an infinity in it, which JSON has not.
    """
    import json_tricks  # a fifth of a second, of use to few

    text = json_tricks.dumps(value, primitives=True, allow_nan=False, indent=indent)
    assert isinstance(text, str)  # bytes are for compressed ones
    return text
