"""One self-contained HTML page about a run: ``python visualization/report.py --run OUTPUT_DIR``.

Shows scores with everything they depend on, kinds of errors and what each costs, precision over
recall, tables by joint and size, the worst and best people, training curves and timing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from lib.report.mpii import analyse_mpii, mpii_sections
from lib.report.page import render_page, section
from lib.report.reliability import reliability_section
from lib.report.run import Run, analyse_poses, read_run, run_flags, shortest_names
from lib.report.sections import (
    case_section,
    curve_section,
    error_section,
    head_section,
    primary_metric,
    score_section,
    settings_section,
    sigma_section,
    table_section,
)
from lib.utils.cli import run_tool


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(description="Write an HTML page about a run.")
    add = parser.add_argument
    add(
        "--run",
        required=True,
        nargs="+",
        metavar="DIR",
        help="run folder: output/<dataset>/<model>/<cfg>; curves of further ones are drawn beside",
    )
    add("--out", metavar="FILE", help="the page (default: report.html in the run folder)")
    run_flags(parser)
    add("--seed", type=int, default=0, help="draws the people that are shown by lot (default: 0)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> Path:
    """Write the page and return its path.

    Raises:
        DataError: the folder is not a run folder, or a file in it is damaged.
        ConfigError: its ``config.yaml`` is wrong.
    """
    args = parse_args(argv)
    run = read_run(args.run[0], annotation=args.gt_anno, images=args.image_path)
    out = Path(args.out) if args.out else run.folder / "report.html"
    out.parent.mkdir(parents=True, exist_ok=True)
    others = [read_run(folder) for folder in args.run[1:]]
    out.write_text(build_report(run, args.cases, others, seed=args.seed), encoding="utf-8")
    print(out)
    return out


def build_report(run: Run, cases: int = 6, others: Sequence[Run] = (), *, seed: int = 0) -> str:
    """Return the page of a run as HTML.

    Args:
        run: the run folder's content.
        cases: pictures of each sort.
        others: runs whose training curves are drawn beside.
        seed: draws the people that are shown by lot.
    """
    from lib.report.history import (
        film_section,
        resource_section,
        timing_section,
        training_section,
    )  # torch
    from lib.report.worst import worst_section

    analysis, mpii = analyse_poses(run), analyse_mpii(run)
    parts = [head_section(run), score_section(run, analysis)]
    if mpii is not None:
        parts += mpii_sections(mpii, cases)
    elif analysis is None:
        parts.append(section("Errors", note=_why_no_errors(run)))
    else:
        parts += [error_section(analysis), curve_section(analysis), table_section(analysis)]
        parts += [
            sigma_section(analysis),
            reliability_section(analysis),
            case_section(analysis, cases, seed),
        ]
    names = shortest_names([one.folder for one in (run, *others)]) if others else [""]
    histories = [one.history for one in (run, *others)]
    curves = dict(zip(names, histories, strict=True))
    parts.append(training_section(curves, primary_metric(run)))
    parts += [film_section(run.history, run.folder), worst_section(run.history, run.folder)]
    parts.append(resource_section(run.history))
    parts.append(timing_section(run.report))
    return render_page(f"{run.name} report", [*parts, settings_section(run)])


def _why_no_errors(run: Run) -> str:
    if run.results is None:
        return "No predictions in the run folder: run tools/test.py first."
    if run.source is None or not run.source.annotation.is_file():
        return "The ground truth was not found: give --gt-anno (and --image-path)."
    return "The test split has no ground truth."


if __name__ == "__main__":
    run_tool(main)
