"""Values as users write them -> values of the type a key has.

yacs refuses ``1`` for a float and ``0`` for a bool; YAML 1.1 reads ``1e-3`` as a string and the
lineage's ``(0,1,2,3)`` as one too. All of these mean one thing only, so they are accepted.
"""

from __future__ import annotations

import ast
from typing import Any

from lib.config.document import Written, plain

_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def coerce(value: Any, default: Any) -> Any:
    """Return ``value`` with the type of ``default``; a text as it was written.

    Raises:
        ValueError: it cannot be read as that type; the message says what was wanted.
    """
    if isinstance(value, Written):
        value = value.text if isinstance(default, str) else value.value
    if isinstance(default, bool):
        return _to_bool(value)
    if isinstance(default, int):
        return _to_int(value)
    if isinstance(default, float):
        return _to_float(value)
    if isinstance(default, str):
        return _to_str(value)
    if isinstance(default, (list, tuple)):
        return _to_sequence(value, default)
    raise ValueError(f"a {type(default).__name__}")


def wanted(default: Any) -> str:
    """Return in words what a key with this default takes."""
    if not default and isinstance(default, list | tuple):
        return "a list"
    try:
        coerce(object(), default)
    except ValueError as words:
        return str(words)
    raise AssertionError(f"an object is no {type(default).__name__}")


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool) or value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in _WORDS:
        return _WORDS[value.strip().lower()]
    raise ValueError("true or false")


def _to_int(value: Any) -> int:
    number = _number(value, "a whole number")
    if number != int(number):
        raise ValueError("a whole number")
    return int(number)


def _to_float(value: Any) -> float:
    return float(_number(value, "a number"))


def _number(value: Any, wanted: str) -> int | float:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise ValueError(wanted) from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(wanted)
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError(f"{wanted}, finite")
    return value


def _to_str(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError("a text")


def _to_sequence(value: Any, default: list[Any] | tuple[Any, ...]) -> Any:
    if isinstance(value, str):
        value = _literal(value)
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    if default:
        try:
            items = [coerce(item, default[0]) for item in items]
        except ValueError as error:
            raise ValueError(f"a list, each entry {error}") from None
    return type(default)(plain(items))


def _literal(text: str) -> Any:
    """Read ``(0,1)``, ``[0, 1]`` or ``0,1``; anything else is one text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return [part.strip() for part in text.strip("[]() ").split(",") if part.strip()]
