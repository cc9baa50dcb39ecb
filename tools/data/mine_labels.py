"""Find wrong annotations: ``python tools/data/mine_labels.py GT.json PRED.json [PRED.json ...]``.

PRED are COCO result files of networks that were not trained on these pictures: train and test the
folds of ``tools/data/init.py --folds K``, and give all their results. Writes one HTML sheet to look
at, and a JSON of proposed corrections, which ``tools/data/convert.py --corrections`` applies.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.utils.cli import count, run_tool
from lib.utils.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from lib.annotations.form import Annotations
    from lib.evaluation.label_errors import Doubt


LEAST = 0.25  # as sure as any swapped sides or wrong people are that are named at all


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(description="Find annotations that are probably wrong.")
    add = parser.add_argument
    add("truth", metavar="GT", help="annotation file in COCO's format")
    add("results", nargs="+", metavar="PRED", help="result files, out of fold")
    add("--out", default="label_errors", metavar="DIR", help="new folder for both (label_errors)")
    add("--images", default="", metavar="DIR", help="folder that the pictures' names are below")
    add("--skeleton", default="", metavar="S", help="joints, where GT does not name them")
    add(
        "--least",
        type=float,
        default=LEAST,
        metavar="D",
        help=f"doubt from which to apply ({LEAST}; swapped sides and wrong people are all beyond)",
    )
    add(
        "--apply",
        default="mirrored,wrong person",
        metavar="KINDS",
        help="kinds to apply, with commas; of the others look at each, for many are the network's "
        "own errors (mirrored,wrong person)",
    )
    add("--most", type=count, default=50, metavar="N", help="pictures of each kind (50)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> list[Doubt]:
    """Find, print, and write the sheet and the corrections.

    Raises:
        DataError: a file is damaged, or predictions belong to other pictures.
        ConfigError: there is something in --out already.
    """
    args = parse_args(argv)
    from lib.evaluation.coco_files import read_results
    from lib.evaluation.label_errors import KINDS, find_label_errors
    from lib.report.label_errors import label_error_sheet

    out = Path(args.out)
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise ConfigError(f"--out {out} already exists: name a new or an empty folder.")
    kinds = [kind.strip() for kind in args.apply.split(",") if kind.strip()]
    for kind in kinds:
        if kind not in KINDS:
            raise ConfigError(f"--apply knows no '{kind}'.{did_you_mean(kind, KINDS)}")
    truth = _read(args)
    rows = [row for file in args.results for row in read_results(file)]
    doubts = find_label_errors(truth, rows)
    out.mkdir(parents=True, exist_ok=True)
    page = label_error_sheet(truth, doubts, args.most)
    (out / "sheet.html").write_text(page, encoding="utf-8")
    entries = [
        _entry(doubt, truth, doubt.kind in kinds and doubt.doubt >= args.least) for doubt in doubts
    ]
    (out / "corrections.json").write_text(json.dumps(entries, indent=1), encoding="utf-8")
    counts = Counter(doubt.kind for doubt in doubts)
    applied = sum(entry["apply"] for entry in entries)
    print(f"{len(truth.people)} annotations, {len(doubts)} doubtful, {applied} to be corrected:")
    print("\n".join(f"  {kind:13} {counts[kind]}" for kind in KINDS))
    print(f"wrote {out / 'sheet.html'}, {out / 'corrections.json'}")
    return doubts


def _read(args: argparse.Namespace) -> Annotations:
    from lib.annotations.reading import ReadOptions, read_annotations
    from lib.datasets.formats.coco import read
    from lib.datasets.formats.labels import ReadSettings
    from lib.structures.skeleton import load_skeleton

    skeleton = load_skeleton(args.skeleton) if args.skeleton else None
    raw = read(Path(args.truth), ReadSettings(args.images, skeleton))
    options = ReadOptions(advice="check the path")
    return read_annotations(args.truth, f"{raw.folder.as_posix()}/", raw.skeleton, options)


def _entry(doubt: Doubt, truth: Annotations, apply: bool) -> dict[str, Any]:
    return {
        "kind": doubt.kind,
        "doubt": round(doubt.doubt, 4),
        "apply": apply,
        "image_id": doubt.image_id,
        "annotation_id": doubt.annotation_id,
        "action": doubt.action,
        "joints": [truth.skeleton.joints[k] for k in doubt.joints],
        "keypoints": [round(value, 3) for value in doubt.keypoints.ravel().tolist()],
    }


if __name__ == "__main__":
    run_tool(main)
