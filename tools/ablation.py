"""Train experiments with several seeds; compare their scores with and without post-processing.

``python tools/ablation.py --cfg experiments/synthpose/efenet/*.yaml --seeds 0 1 2``
``python tools/ablation.py --cfg experiments/synthpose/higher_hrnet*.yaml --switch TEST.REFINE``

Post-processing is what --switch turns on and off: the quarter-cell step after the argmax
(``TEST.POST_PROCESS``) unless said otherwise. What a model loses without it is its reliance on it.
Runs that are finished are not repeated, and an interrupted one is continued, so the command can be
given again. Leaves the runs and ablation.json below --out.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib.config import load_config
from lib.config.cli import run_folders
from lib.utils.cli import run_tool
from lib.utils.logging import setup_logging

logger = logging.getLogger(__name__)

HEADINGS = ("experiment", "seeds", "with", "without", "reliance")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return ``cfg`` (files), ``set`` (overrides), ``seeds``, ``switch`` and ``out``."""
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cfg", required=True, nargs="+", metavar="FILE", help="YAML files")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--out", default="output/ablation", help="folder of runs and ablation.json")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", help="overrides for all experiments"
    )
    parser.add_argument(
        "--switch",
        default="TEST.POST_PROCESS",
        metavar="KEY",
        help="the true-or-false key that is post-processing (default: TEST.POST_PROCESS)",
    )
    return parser.parse_args(argv)


def train(file: str, overrides: Sequence[str]) -> tuple[Path, bool]:
    """Train one experiment unless it is finished; return its weights, and whether it finished."""
    from lib.engine import fit
    from lib.engine.distributed import session
    from lib.tasks import build_task

    cfg = load_config(file, overrides)
    folder, log_folder = run_folders(cfg, file)
    weights = folder / f"final_state.{cfg.TRAIN.FORMAT}"
    if weights.is_file():
        logger.info("%s is there already", weights)
        return weights, True
    with session(cfg.DIST_BACKEND) as world:
        setup_logging(folder, rank=world.rank)
        return weights, fit(cfg, build_task(cfg), folder, log_folder).finished


def score(file: str, overrides: Sequence[str], weights: Path) -> float:
    """Return the primary metric of one model, in points."""
    from lib.api import PoseEstimator

    cfg = load_config(file, overrides)
    return 100 * PoseEstimator.from_config(cfg, weights).evaluate().score


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row per experiment: scores by seed ``with`` and ``without`` post-processing."""
    rows: list[dict[str, Any]] = []
    for file in args.cfg:
        row: dict[str, Any] = {"cfg": file, "seeds": [], "with": [], "without": []}
        for seed in args.seeds:
            out = Path(args.out) / f"seed{seed}"
            words = [*args.set, f"SEED={seed}", f"OUTPUT_DIR={out}", f"LOG_DIR={out / 'log'}"]
            weights, finished = train(file, [*words, "AUTO_RESUME=true"])
            if not finished:
                logger.warning("stopped; give the same command again to go on")
                return rows
            row["seeds"].append(seed)
            row["with"].append(score(file, [*words, f"{args.switch}=true"], weights))
            row["without"].append(score(file, [*words, f"{args.switch}=false"], weights))
            logger.info("%s seed %d: %s", file, seed, row)
        rows.append(row)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return mean and standard deviation over seeds, as aligned text."""
    lines: list[tuple[str, ...]] = [HEADINGS]
    for row in rows:
        reliance = [a - b for a, b in zip(row["with"], row["without"], strict=True)]
        cells = [spread(values) for values in (row["with"], row["without"], reliance)]
        lines.append((Path(row["cfg"]).stem, str(len(row["seeds"])), *cells))
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    return "\n".join("  ".join(map(str.ljust, line, widths)) for line in lines)


def spread(values: Sequence[float]) -> str:
    """Return ``mean +- deviation``, in points."""
    deviation = f" +- {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{deviation}"


def main(argv: list[str] | None = None) -> list[dict[str, Any]]:
    """Train, score, print the table."""
    args = parse_args(argv)
    setup_logging()
    rows = run(args)
    Path(args.out).mkdir(parents=True, exist_ok=True)
    (Path(args.out) / "ablation.json").write_text(
        json.dumps(rows, indent=1) + "\n", encoding="utf-8"
    )
    print(table(rows))
    return rows


if __name__ == "__main__":
    run_tool(main)
