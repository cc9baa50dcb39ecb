"""Score result files against ground truth: ``python tools/analyse/score.py GT PRED [PRED ...]``.

Needs no model, configuration or pictures. GT is an annotation file of COCO, CrowdPose or
COCO-WholeBody, or any file in COCO format, or MPII's ``gt_valid.mat``; PRED are COCO result files,
or ``pred.mat``. Prints all numbers, and of several files whether they really differ from the first.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.utils.cli import count, run_tool, write_file
from lib.utils.numbers import number

if TYPE_CHECKING:
    from lib.evaluation.scoring import Scored


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(
        description="Score result files against ground truth, without a model."
    )
    add = parser.add_argument
    add("truth", metavar="GT", help="annotation file, or MPII's gt_valid.mat")
    add("results", nargs="+", metavar="PRED", help="result file; several are compared to the first")
    add("--metric", default="auto", metavar="NAME", help="default: what the data set is scored by")
    add("--sigmas", default="", metavar="S", help="K numbers with commas, or a skeleton's name")
    add("--per-joint", action="store_true", help="print a row per joint, too")
    add("--resamples", type=count, default=1000, help="draws of the bootstrap (default: 1000)")
    add(
        "--imports",
        action="append",
        default=[],
        metavar="M",
        help="module or file with your metrics",
    )
    add("--json", metavar="FILE", help="write everything as JSON ('-': to the screen, alone)")
    add("--out", metavar="FILE", help="write an HTML page")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> list[dict[str, Any]]:
    """Score the files, print the numbers, and write what was asked for.

    Raises:
        DataError: a file is missing, damaged, or does not fit the ground truth.
        ConfigError: the metric or the sigmas are wrong.
    """
    args = parse_args(argv)
    from lib.evaluation.scoring import compare, score_file
    from lib.report.scores import outcome_sentence, score_page
    from lib.utils.plugins import import_parts

    places = (str(Path(m).resolve()) if m.endswith(".py") else m for m in args.imports)
    import_parts(places, "--imports")
    files = [
        score_file(args.truth, results, metric=args.metric, sigmas=args.sigmas)
        for results in args.results
    ]
    outcomes = [(other, compare(files[0], other, args.resamples)) for other in files[1:]]
    if args.json != "-":
        print(as_text(files, with_joints=args.per_joint))
        for other, difference in outcomes:
            print(outcome_sentence(files[0], other, difference))
    content = [one.as_dict() for one in files]
    for entry, (_, difference) in zip(content[1:], outcomes, strict=True):
        entry["minus first"] = vars(difference)
    if args.json:
        text = json.dumps(content, indent=2, allow_nan=False)
        print(text) if args.json == "-" else write_file(args.json, text + "\n")
    if args.out:
        write_file(args.out, score_page(args.truth, files, outcomes))
    return content


def as_text(files: list[Scored], *, with_joints: bool) -> str:
    """Return the numbers of all files as lines of text."""
    from lib.report.scores import score_table

    heads, rows = score_table(files)
    widths = [max(len(row[n]) for row in (heads, *rows)) for n in range(len(heads))]
    lines = [f"metric {files[0].metric}, ranked by {files[0].primary}"]
    for name, *cells in (heads, *rows):
        padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *padded]))
    for one in files if with_joints else ():
        lines.append(one.file)
        lines += [joint_line(row) for row in one.joints]
    return "\n".join(lines)


def joint_line(row: dict[str, Any]) -> str:
    """Return a row of the table by joint as text."""
    numbers = [f"{k} {number(v, 4)}" for k, v in row.items() if k not in ("joint", "labelled")]
    return f"{row['joint']:>20} {row['labelled']:7d}  {'  '.join(numbers)}"


if __name__ == "__main__":
    run_tool(main)
