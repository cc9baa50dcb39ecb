"""Two runs side by side: ``python visualization/compare.py RUN_A RUN_B``.

Tells whether B is better than A or lucky (paired bootstrap over the images), on the screen and in
one self-contained HTML page.
"""

from __future__ import annotations

import argparse
from html import escape
from pathlib import Path

import numpy as np

from lib.evaluation.bootstrap import Difference, paired_bootstrap
from lib.evaluation.breakdown import all_matches
from lib.report.comparison import (
    Pair,
    comparison_case_section,
    comparison_error_section,
    comparison_joint_section,
    comparison_score_section,
    score_rows,
    unlike_conditions,
    verdict,
)
from lib.report.page import chips, render_page
from lib.report.run import PoseAnalysis, Run, analyse_poses, read_run
from lib.utils.cli import count, run_tool
from lib.utils.errors import DataError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(description="Compare two runs on the same test split.")
    add = parser.add_argument
    add("first", metavar="A", help="run folder")
    add("second", metavar="B", help="run folder")
    add("--out", metavar="FILE", help="also write an HTML page")
    add("--gt-anno", default="", metavar="FILE", help="ground truth instead of config.yaml's")
    add("--image-path", default="", metavar="DIR", help="images instead of config.yaml's")
    add("--resamples", type=count, default=1000, help="draws of the bootstrap (default: 1000)")
    add("--cases", type=int, default=6, help="pictures of each sort (default: 6)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> Difference:
    """Print the comparison, write the page if asked, and return the difference.

    Raises:
        DataError: a folder is not a run folder, has no predictions, or the splits differ.
    """
    args = parse_args(argv)
    runs = [
        read_run(folder, annotation=args.gt_anno, images=args.image_path)
        for folder in (args.first, args.second)
    ]
    first, second = (_analysed(run) for run in runs)
    pair = first, second
    matches = [all_matches(analysis.diagnosis) for analysis in pair]
    if not np.array_equal(matches[0].wanted, matches[1].wanted):
        raise DataError("The runs were tested on different splits; give one --gt-anno for both.")
    difference = paired_bootstrap(*matches, resamples=args.resamples)
    _show(runs[0], runs[1], difference, args.resamples)
    if args.out:
        page = build_comparison(runs[0], runs[1], pair, difference, args)
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        Path(args.out).write_text(page, encoding="utf-8")
        print(args.out)
    return difference


def build_comparison(
    first: Run, second: Run, pair: Pair, difference: Difference, args: argparse.Namespace
) -> str:
    """Return the page as HTML."""
    names = {"A": first.name, "B": second.name}
    if first.name == second.name:  # the same experiment, in two folders
        names = {"A": str(first.folder), "B": str(second.folder)}
    title = " and ".join(sorted({first.name, second.name}))
    return render_page(
        title,
        [
            f"<header><h1>{escape(title)}</h1>{chips(names)}</header>",
            comparison_score_section(first, second, difference, args.resamples),
            comparison_error_section(pair),
            comparison_joint_section(pair),
            comparison_case_section(pair, args.cases),
        ],
    )


def _analysed(run: Run) -> PoseAnalysis:
    analysis = analyse_poses(run)
    if analysis is None:
        raise DataError(
            f"'{run.folder}' cannot be compared: it needs COCO or CrowdPose predictions in "
            "results/ and its ground truth (config.yaml or --gt-anno)."
        )
    return analysis


def _show(first: Run, second: Run, difference: Difference, resamples: int) -> None:
    print(f"A: {first.folder}\nB: {second.folder}")
    for text in unlike_conditions(first, second):
        print(f"not the same conditions: {text}")
    for cells in [["", "A", "B", "B - A"], *score_rows(first, second)]:
        print("".join(cell.rjust(12) for cell in cells))
    print(verdict(difference, resamples))


if __name__ == "__main__":
    run_tool(main)
