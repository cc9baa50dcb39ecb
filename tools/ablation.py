"""Train experiments with several seeds; compare their scores with and without post-processing.

``python tools/ablation.py --cfg experiments/synthpose/efenet/*.yaml --seeds 0 1 2``
``python tools/ablation.py --cfg experiments/synthpose/higher_hrnet*.yaml --switch TEST.REFINE``

Scores are in per cent (AP, or what TEST.BEST names): mean +- standard deviation over seeds. Below
the table stands how much each experiment gains on the first with the same seeds, with the 95 %
interval of the mean by Student's t: it holds what other seeds do to the difference.
Post-processing is what --switch turns on and off: the quarter-cell step after the argmax
(``TEST.POST_PROCESS``) unless said otherwise. What a model loses without it is its reliance on it.
Runs that are finished are not repeated, and an interrupted one is continued, so the command can be
given again; exit code 130 says that it was interrupted. Leaves the runs and ablation.json below
--out. ``{seed}`` in --set stands for the seed, as in the files that an earlier ablation left:
``--set MODEL.PRETRAINED=output/ablation/seed{seed}/coco/posenet/stride4/final_state.pth``
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
from pathlib import Path
from typing import Any

from lib.sweep.table import aligned, spread
from lib.sweep.trials import score, train, words_of
from lib.utils.cli import run_tool
from lib.utils.logging import setup_logging
from lib.utils.numbers import mean_interval

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


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row per experiment: scores by seed ``with`` and ``without`` post-processing."""
    rows: list[dict[str, Any]] = []
    for file in args.cfg:
        row: dict[str, Any] = {"cfg": file, "seeds": [], "with": [], "without": []}
        for seed in args.seeds:
            given = [word.replace("{seed}", str(seed)) for word in args.set]
            words = [*given, *words_of(Path(args.out) / f"seed{seed}", seed)]
            trained = train(file, words)
            if not trained.finished:
                logger.warning("stopped; give the same command again to go on")
                return rows
            row["seeds"].append(seed)
            for column, value in (("with", "true"), ("without", "false")):
                switched = [*words, f"{args.switch}={value}"]
                row[column].append(100 * score(file, switched, trained.weights))
            scored = ", ".join(f"{row[column][-1]:.2f} {column}" for column in ("with", "without"))
            logger.info("%s seed %d: %s post-processing", file, seed, scored)
        rows.append(row)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return mean and standard deviation over seeds, as aligned text."""
    lines: list[tuple[str, ...]] = [HEADINGS]
    for row in rows:
        reliance = [a - b for a, b in zip(row["with"], row["without"], strict=True)]
        cells = [spread(values) for values in (row["with"], row["without"], reliance)]
        lines.append((Path(row["cfg"]).stem, str(len(row["seeds"])), *cells))
    return aligned(lines)


def gains(rows: list[dict[str, Any]]) -> list[str]:
    """Return a line per experiment but the first: what it gains on that, seed by seed."""
    lines = []
    for row in rows[1:]:
        first = dict(zip(rows[0]["seeds"], rows[0]["with"], strict=True))
        gained = [b - first[seed] for seed, b in zip(row["seeds"], row["with"], strict=True)]
        names = f"{Path(row['cfg']).stem} minus {Path(rows[0]['cfg']).stem}"
        if len(gained) < 2:
            lines.append(f"{names}: {gained[0]:+.2f}; one seed says nothing of others")
            continue
        low, high = mean_interval(gained)
        sure = "may be luck" if low <= 0 <= high else "more than luck of the seeds"
        mean = statistics.mean(gained)
        lines.append(f"{names}: {mean:+.2f}, 95 % interval {low:+.2f} to {high:+.2f} ({sure})")
    return lines


def main(argv: list[str] | None = None) -> list[dict[str, Any]]:
    """Train, score, print the table.

    Raises:
        KeyboardInterrupt: a signal stopped a training.
    """
    args = parse_args(argv)
    setup_logging()

    from lib.engine.distributed import session

    with session():
        rows = run(args)
    Path(args.out).mkdir(parents=True, exist_ok=True)
    (Path(args.out) / "ablation.json").write_text(
        json.dumps(rows, indent=1) + "\n", encoding="utf-8"
    )
    print("\n".join([table(rows), *gains(rows)]))
    if len(rows) < len(args.cfg):
        raise KeyboardInterrupt
    return rows


if __name__ == "__main__":
    run_tool(main)
