"""Ask a configuration: ``python tools/analyse/config.py show|diff|explain``.

    show --cfg FILE [KEY VALUE ...]   every value, and the file it was last written in
    diff A B                          keys whose values differ; YAML files or run folders
    explain KEY ...                   meaning, type, bounds, default, choices and source paper

``show --set`` leaves out what has its default, ``--below TRAIN`` what stands elsewhere. ``explain``
takes a node, too (``explain TRAIN``), and with ``--cfg FILE`` tells the value there.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lib.utils.cli import run_tool

if TYPE_CHECKING:
    from lib.config.meaning import Key
    from lib.config.origin import Value


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    showing = commands.add_parser("show", help="every value, and where it comes from")
    showing.add_argument("--cfg", required=True, metavar="FILE", help="YAML file or run folder")
    showing.add_argument("--set", action="store_true", help="only what somebody set")
    showing.add_argument("--below", default="", metavar="NODE", help="only keys below a node")
    showing.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="keys to override")
    comparing = commands.add_parser("diff", help="keys whose values differ")
    comparing.add_argument("first", metavar="A", help="YAML file or run folder")
    comparing.add_argument("second", metavar="B", help="YAML file or run folder")
    asking = commands.add_parser("explain", help="what keys mean")
    asking.add_argument("keys", nargs="+", metavar="KEY", help="a key, or a node for all below it")
    asking.add_argument("--cfg", metavar="FILE", help="also tell the value there")
    return parser


def main(argv: list[str] | None = None) -> list[str]:
    """Print what the command asks for; return the printed lines."""
    args = build_parser().parse_args(argv)
    if args.command == "show":
        lines = show(args.cfg, args.overrides, only_set=args.set, below=args.below)
    elif args.command == "diff":
        lines = diff(args.first, args.second)
    else:
        lines = explain(args.keys, args.cfg)
    print("\n".join(lines))
    return lines


def show(cfg: str, overrides: list[str], *, only_set: bool, below: str) -> list[str]:
    """Return a line per key: path, value, source.

    Raises:
        ConfigError: the configuration is wrong.
    """
    from lib.config.origin import DEFAULT, resolved_values

    node = f"{below.upper().rstrip('.')}."
    values = {
        path: value
        for path, value in resolved_values(cfg, overrides).items()
        if not (only_set and value.source == DEFAULT) and (not below or f"{path}.".startswith(node))
    }
    return _table([[path, _text(value.value), str(value)] for path, value in values.items()])


def diff(first: str, second: str) -> list[str]:
    """Return a line per key that differs: path, value in A, value in B.

    Raises:
        ConfigError: a configuration is wrong.
    """
    from lib.config.origin import differences, resolved_values

    trees = [
        {path: value.value for path, value in resolved_values(name).items()}
        for name in (first, second)
    ]
    found = differences(*trees)
    if not found:
        return ["no key differs"]
    rows = [
        [path, *(_text(tree[path]) if path in tree else "no such key" for tree in trees)]
        for path in found
    ]
    return _table([["", first, second], *rows])


def explain(paths: list[str], cfg: str | None) -> list[str]:
    """Return what is known of keys; of several at once a line each.

    Raises:
        ConfigError: there is no such key, or the configuration is wrong.
    """
    from lib.config.meaning import find_keys
    from lib.config.origin import resolved_values

    values = resolved_values(cfg) if cfg else {}
    lines: list[str] = []
    for path in paths:
        keys = find_keys(path)
        chosen = [values[name].value for name in ("MODEL.NAME", "MODEL.TARGET_TYPE") if values]
        keys = [key for key in keys if not key.owner or key.owner in chosen] or keys
        if len(keys) == 1:
            lines += _facts(keys[0], values.get(keys[0].path))
            continue
        rows = [[key.path, key.owner, _text(key.default), key.meaning] for key in keys]
        lines += _table([row if any(row[1] for row in rows) else row[:1] + row[2:] for row in rows])
    return lines


def _facts(key: Key, value: Value | None) -> list[str]:
    facts = {
        "means": key.meaning,
        "has": f"only {key.owner}" if key.owner else "",
        "takes": ", ".join(filter(None, (key.kind, key.bounds))),
        "choices": ", ".join(key.choices),
        "default": _text(key.default),
        "here": f"{_text(value.value)}  ({value})" if value is not None else "",
        "read by": f"{' and '.join(key.tasks)} models only" if key.tasks else "",
        "unused": "; ".join(key.idle),
        "also": ", ".join(key.spellings),
        "from": key.paper,
    }
    return [key.path, *(f"  {name:<10} {text}" for name, text in facts.items() if text)]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value or "''"
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return f"{value}"


def _table(rows: list[list[str]]) -> list[str]:
    """Return rows with their columns below each other; no column is wider than 40 letters."""
    widths = [min(40, max(map(len, column))) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


if __name__ == "__main__":
    run_tool(main)
