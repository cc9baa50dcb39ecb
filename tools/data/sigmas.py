"""Measure sigmas from repeated annotations: ``python tools/data/sigmas.py A.json B.json ...``.

Each file has the annotations of one person of the same pictures. Prints a sigma for every joint
(COCO's definition: the root mean square distance of annotations from the joint, divided by the
square root of the person's area) with its interval; ``--out`` writes them into a skeleton YAML.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lib.utils.cli import run_tool
from lib.utils.errors import ConfigError
from lib.utils.numbers import number

if TYPE_CHECKING:
    from lib.evaluation.annotators import Spread
    from lib.structures.skeleton import Skeleton


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(description="Measure sigmas from repeated annotations.")
    add = parser.add_argument
    add(
        "files",
        nargs="+",
        metavar="FILE",
        help="annotations of the same pictures, one an annotator",
    )
    add(
        "--out",
        default="",
        metavar="YAML",
        help="write the skeleton with these sigmas; must be new",
    )
    add("--json", default="", metavar="FILE", help="write the numbers as JSON")
    add("--skeleton", default="", metavar="S", help="joints, where the files do not name them")
    add("--confidence", type=float, default=0.95, metavar="C", help="of the intervals (0.95)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> list[Spread]:
    """Measure, print, and write what was asked for.

    Raises:
        DataError: a file is damaged, or nobody is annotated twice.
        ConfigError: there is something in --out already.
    """
    args = parse_args(argv)
    from lib.annotations.reading import ReadOptions, read_annotations
    from lib.evaluation.annotators import measure_sigmas
    from lib.structures.skeleton import load_skeleton
    from lib.utils.files import json_text

    if not 0 < args.confidence < 1:
        raise ConfigError(f"--confidence is between 0 and 1, got {args.confidence:g}.")
    if args.out and Path(args.out).exists():
        raise ConfigError(f"--out {args.out} already exists: name a new file.")
    skeleton = load_skeleton(args.skeleton) if args.skeleton else None
    options = ReadOptions(for_scores=True, advice="check the path")
    parts = [read_annotations(file, "", skeleton, options) for file in args.files]
    spreads = measure_sigmas(parts, confidence=args.confidence)
    print(_table(spreads, args.confidence))
    if args.json:
        text = json_text([asdict(s) | {"per_axis": s.per_axis} for s in spreads], indent=1)
        Path(args.json).write_text(text.replace("NaN", "null"), encoding="utf-8")
    if args.out:
        _write(parts[0].skeleton, spreads, Path(args.out), len(parts))
        print(f"wrote {args.out}: DATASET.SKELETON {args.out} scores by it")
    return spreads


def _table(spreads: list[Spread], confidence: float) -> str:
    width = max(len(spread.joint) for spread in spreads)
    head = f"{'joint':{width}}   sigma  {confidence:.0%} interval   per axis  people  outliers"
    rows = [
        f"{s.joint:{width}}  {number(s.sigma, 4):>6}  {number(s.low, 4):>6} - "
        f"{number(s.high, 4):<6}  {number(s.per_axis, 4):>9}  {s.people:6}  {s.outliers:8}"
        for s in spreads
    ]
    return "\n".join([head, *rows])


def _write(skeleton: Skeleton, spreads: list[Spread], file: Path, annotators: int) -> None:
    from lib.datasets.start.joints import ASSUMED, KnownJoints, skeleton_yaml

    sigmas, sources = [], []
    for old, spread in zip(skeleton.sigmas, spreads, strict=True):
        measured = spread.sigma > 0
        sigmas.append(float(f"{spread.sigma:.4g}") if measured else old)
        words = f"measured, {annotators} annotators, {spread.people} people"
        sources.append(f"{words}, {spread.low:.4f} to {spread.high:.4f}" if measured else ASSUMED)
    known = KnownJoints(replace(skeleton, sigmas=tuple(sigmas)), tuple(sources))
    file.write_text(skeleton_yaml(known, skeleton.name), encoding="utf-8")


if __name__ == "__main__":
    run_tool(main)
