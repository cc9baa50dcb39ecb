"""Draw the embedded data set ``synthpose``: pictures of people with exact annotations.

    python tools/make_synthetic.py --out data/synthpose --train 1000 --val 200 --seed 0

Below --out comes one folder per format, each in that data set's own layout, so DATASET.ROOT can
point there. The same arguments always give the same bytes, with any number of workers.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable

from tqdm import tqdm

from lib.datasets.synthetic import FORMATS, LEVELS, MOST_PEOPLE, Recipe, write_dataset
from lib.datasets.synthetic.formats import Record
from lib.utils.cli import run_tool


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--out", required=True, metavar="DIR", help="folder to fill")
    add("--train", type=int, default=1000, metavar="N", help="training images (1000)")
    add("--val", type=int, default=200, metavar="N", help="validation images (200)")
    add("--seed", type=int, default=0, metavar="S", help="0 or greater (0)")
    add(
        "--people",
        type=int,
        nargs=2,
        default=(1, MOST_PEOPLE),
        metavar=("MIN", "MAX"),
        help=f"people per image, within 1 to {MOST_PEOPLE} (1 {MOST_PEOPLE})",
    )
    add(
        "--level",
        choices=LEVELS,
        default="full",
        help="easy: upright people who face the camera, nothing in front of them (full)",
    )
    add(
        "--size",
        type=int,
        nargs=2,
        default=(320, 240),
        metavar=("LONG", "SHORT"),
        help="sides of the images in pixels; half of them stand upright (320 240)",
    )
    add(
        "--format",
        nargs="+",
        choices=FORMATS,
        default=list(FORMATS),
        help="annotations to write; the images are shared between them (all)",
    )
    add(
        "--workers",
        type=int,
        default=min(os.cpu_count() or 1, 8),
        metavar="N",
        help="processes (one per core, at most 8)",
    )
    add("--force", action="store_true", help="replace another data set in --out")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Write the data set."""
    args = parse_args(argv)
    recipe = Recipe(
        train=args.train,
        val=args.val,
        seed=args.seed,
        size=(args.size[0], args.size[1]),
        people=(args.people[0], args.people[1]),
        level=args.level,
        formats=tuple(style for style in FORMATS if style in args.format),
    )
    new = write_dataset(args.out, recipe, workers=args.workers, force=args.force, progress=_bar)
    verb = "written to" if new else "already complete in"
    print(f"{args.train} + {args.val} images {verb} {args.out} ({', '.join(recipe.formats)})")


def _bar(records: Iterable[Record], count: int) -> Iterable[Record]:
    return tqdm(records, total=count, unit="image")


if __name__ == "__main__":
    run_tool(main)
