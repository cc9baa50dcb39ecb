"""Runs side by side: ``python visualization/compare.py RUN_A RUN_B [RUN_C ...]``.

Tells whether B (C ...) is better than A or lucky (paired bootstrap over the images), on the screen
and in one self-contained HTML page, which also draws the training curves of all runs together.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from lib.evaluation.bootstrap import Difference, paired_bootstrap
from lib.evaluation.breakdown import all_matches
from lib.report.comparison import (
    comparison_case_section,
    comparison_error_section,
    comparison_joint_section,
    comparison_score_section,
    letter,
    letters,
    score_heads,
    score_rows,
    unlike_conditions,
    verdict,
)
from lib.report.page import chips, render_page
from lib.report.run import PoseAnalysis, Run, analyse_poses, read_run, run_flags, shortest_names
from lib.report.sections import primary_metric
from lib.utils.cli import count, run_tool
from lib.utils.errors import DataError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(description="Compare runs on the same test split.")
    add = parser.add_argument
    add("first", metavar="A", help="run folder; the others are compared with it")
    add("others", nargs="+", metavar="B", help="run folders")
    add("--out", metavar="FILE", help="also write an HTML page")
    run_flags(parser)
    add("--resamples", type=count, default=1000, help="draws of the bootstrap (default: 1000)")
    return parser.parse_intermixed_args(argv)  # folders may stand behind options


def main(argv: list[str] | None = None) -> list[Difference]:
    """Print the comparison, write the page if asked; return how each other run differs from A.

    Raises:
        DataError: a folder is not a run folder, has no predictions, or the splits differ.
    """
    args = parse_args(argv)
    folders = [args.first, *args.others]
    runs = [read_run(one, annotation=args.gt_anno, images=args.image_path) for one in folders]
    analyses = [_analysed(run) for run in runs]
    matches = [all_matches(analysis.diagnosis) for analysis in analyses]
    for run, other in zip(runs[1:], matches[1:], strict=True):
        if not np.array_equal(matches[0].wanted, other.wanted):
            raise DataError(
                f"'{runs[0].folder}' and '{run.folder}' were tested on different splits; give one "
                "--gt-anno for all."
            )
    differences = [
        paired_bootstrap(matches[0], other, resamples=args.resamples) for other in matches[1:]
    ]
    _show(runs, differences, args.resamples)
    if args.out:
        page = build_comparison(runs, analyses, differences, args)
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        Path(args.out).write_text(page, encoding="utf-8")
        print(args.out)
    return differences


def build_comparison(
    runs: Sequence[Run],
    analyses: Sequence[PoseAnalysis],
    differences: Sequence[Difference],
    args: argparse.Namespace,
) -> str:
    """Return the page as HTML."""
    from lib.report.history import training_section  # torch

    names = shortest_names([run.folder for run in runs])
    title = " and ".join(sorted({run.name for run in runs}))
    keys = letters(len(runs))
    called = dict(zip(keys, names, strict=True))
    curves = {f"{key} {called[key]}": run.history for key, run in zip(keys, runs, strict=True)}
    return render_page(
        title,
        [
            f"<header><h1>{escape(title)}</h1>{chips(called)}</header>",
            comparison_score_section(runs, differences, args.resamples),
            comparison_error_section(analyses),
            comparison_joint_section(analyses),
            comparison_case_section(analyses, args.cases),
            training_section(curves, primary_metric(runs[0])),
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


def _show(runs: Sequence[Run], differences: Sequence[Difference], resamples: int) -> None:
    print("\n".join(f"{letter(n)}: {run.folder}" for n, run in enumerate(runs)))
    for text in unlike_conditions(runs):
        print(f"not the same conditions: {text}")
    for cells in [score_heads(len(runs)), *score_rows(runs)]:
        print("".join(cell.rjust(12) for cell in cells))
    for place, difference in enumerate(differences, start=1):
        print(verdict(difference, resamples, letter(place)))


if __name__ == "__main__":
    run_tool(main)
