"""Write experiments/README.md: cost, published score and weights of every experiment.

    python tools/analyse/ledger.py [--check]
    python tools/analyse/ledger.py --experiment synthpose/codecs/heatmap --runs RUN [RUN ...]

The second form first records what trainings of several seeds reached in experiments/runs.json. What
the page holds is described in lib/report/ledger.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lib.report.ledger import ledger
from lib.report.runs import record_runs
from lib.utils.cli import run_tool
from lib.utils.errors import ConfigError, DataError
from lib.zoo.index import EXPERIMENTS


def main(argv: list[str] | None = None) -> Path:
    """Write the page, or compare it with the one that is there; return its file."""
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; 2 if it is outdated")
    parser.add_argument("--experiment", metavar="NAME", help="whose runs: its YAML's path, short")
    parser.add_argument("--runs", nargs="+", type=Path, metavar="DIR", help="run folders, by seed")
    parser.add_argument("--metric", default="AP", help="score that is recorded (default: AP)")
    args = parser.parse_args(argv)
    if bool(args.runs) != bool(args.experiment) or (args.runs and args.check):
        raise ConfigError("--experiment NAME and --runs DIR ... belong together, without --check.")
    if args.runs:
        record_runs(EXPERIMENTS, args.experiment, args.runs, args.metric)
    file, page = EXPERIMENTS / "README.md", ledger(EXPERIMENTS)
    if not args.check:
        file.write_text(page, encoding="utf-8")
    elif not file.is_file() or file.read_text(encoding="utf-8") != page:
        raise DataError(f"{file} is outdated: run python tools/analyse/ledger.py.")
    print(file)
    return file


if __name__ == "__main__":
    run_tool(main)
