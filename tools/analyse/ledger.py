"""Write experiments/README.md: cost, published score and weights of every experiment.

    python tools/analyse/ledger.py [--check]

What it holds is described in lib/report/ledger.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lib.report.ledger import ledger
from lib.utils.cli import run_tool
from lib.utils.errors import DataError
from lib.zoo.index import EXPERIMENTS


def main(argv: list[str] | None = None) -> Path:
    """Write the page, or compare it with the one that is there; return its file."""
    parser = argparse.ArgumentParser(description="Write experiments/README.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; 2 if it is outdated")
    args = parser.parse_args(argv)
    file, page = EXPERIMENTS / "README.md", ledger(EXPERIMENTS)
    if not args.check:
        file.write_text(page, encoding="utf-8")
    elif not file.is_file() or file.read_text(encoding="utf-8") != page:
        raise DataError(f"{file} is outdated: run python tools/analyse/ledger.py.")
    print(file)
    return file


if __name__ == "__main__":
    run_tool(main)
