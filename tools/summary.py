"""Parameters and cost of one or many experiments, each figure under the name of its convention."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from lib.report.costs import summarise
from lib.utils.cli import count, run_tool

HEADINGS = ("experiment", "input", "params M", "MACs G", "attention G", "table", "convention")
NUMBERS = ("params M", "MACs G", "attention G", "table")
LEGEND = """
params      all parameters / 1e6
MACs        multiply-adds of convolutions, transposed convolutions, linear layers / 1e9
attention   products of activations with activations / 1e9, in no published table
table       what the family's published tables call GFLOPs, by the convention beside it:
            "legacy" is the HRNet family's counter (transposed convolutions at their output size,
            linear layers by input.shape[1]), "macs" is the true count; then the divisor"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return ``cfg`` (files), ``overrides`` and ``json``."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Overrides: KEY VALUE or KEY=VALUE, for instance MODEL.NUM_JOINTS 16, for all.",
    )
    parser.add_argument(
        "--cfg", required=True, nargs="+", metavar="FILE", help="YAML files, then overrides"
    )
    parser.add_argument("--json", action="store_true", help="write a list of plain integers")
    parser.add_argument("--rois", type=count, help="people per image, for the one-stage model (10)")
    args, rest = parser.parse_known_args(argv)
    if any(word.startswith("-") for word in rest):
        parser.error(f"unknown flag {rest[0]}")
    words = [*args.cfg, *rest]
    files = next((i for i, word in enumerate(words) if not _is_file(word)), len(words))
    args.cfg, args.overrides = words[:files], words[files:]
    if not args.cfg:
        parser.error(f"--cfg needs a YAML file, got {words[0]}")
    return args


def _is_file(word: str) -> bool:
    return "=" not in word and Path(word).suffix in (".yaml", ".yml")


def format_table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as aligned text, with the legend."""
    cells: list[tuple[str, ...]] = [HEADINGS]
    for row in rows:
        giga = [f"{row[key] / 1e9:.3f}" for key in ("macs", "attention_macs")]
        params = f"{row['params'] / 1e6:.3f}"
        table = f"{row['table']:.3f}"
        cells.append((Path(row["cfg"]).stem, row["input"], params, *giga, table, row["convention"]))
    widths = [max(len(line[i]) for line in cells) for i in range(len(HEADINGS))]
    lines = ["  ".join(map(_pad, line, widths, range(len(HEADINGS)))) for line in cells]
    return "\n".join([*lines, LEGEND])


def _pad(text: str, width: int, column: int) -> str:
    return text.rjust(width) if HEADINGS[column] in NUMBERS else text.ljust(width)


def main(argv: list[str] | None = None) -> None:
    """Print the table, or JSON."""
    args = parse_args(argv)
    rows = [summarise(path, args.overrides, args.rois) for path in args.cfg]
    print(json.dumps(rows, indent=1) if args.json else format_table(rows))


if __name__ == "__main__":
    run_tool(main)
