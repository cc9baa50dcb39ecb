"""Say at which step two runs part, and why.

    python tools/analyse/diverge.py RUN_FOLDER OTHER_RUN_FOLDER

Reads the flight.bin that training leaves (FLIGHT > 0) of both; see lib/report/divergence.py.
Prints one line if all steps that both did are the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lib.utils.cli import run_tool


def main(argv: list[str] | None = None) -> object:
    """Print the first difference and what may have made it; return it, None if there is none."""
    parser = argparse.ArgumentParser(description="Say at which step two runs part, and why.")
    parser.add_argument("first", type=Path, help="run folder")
    parser.add_argument("second", type=Path, help="run folder")
    args = parser.parse_args(argv)

    from lib.report.divergence import compare_runs, steps_done

    found = compare_runs(args.first, args.second, _names(args.first))
    print(found or _equal(*steps_done(args.first, args.second)))
    return found


def _equal(first: int, second: int) -> str:
    """Return what to say of runs that never part, given the last step of each."""
    text = f"no difference in the {min(first, second)} steps that both runs did"
    return text if first == second else f"{text}; the first did {first}, the second {second}"


def _names(folder: Path):
    """Return what calls a sample by its file, as far as the run's data are still there."""
    data = []

    def name(index: int) -> str:
        from lib.config import load_config
        from lib.tasks import build_task
        from lib.utils.errors import UserError

        try:
            if not data:
                data.append(build_task(load_config(folder / "config.yaml")).build_train_dataset())
        except UserError:
            return f"number {index} of the training set"
        return data[0].name(index)

    return name


if __name__ == "__main__":
    run_tool(main)
