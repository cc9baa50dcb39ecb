"""Convert labelled pictures: ``python tools/data/convert.py IN --to coco --out OUT``.

IN is a file or folder of YOLO-pose, Label Studio, CVAT, DeepLabCut, SLEAP, COCO, COCO-WholeBody or
Halpe; or a result file, which becomes labels to be corrected in one of these tools. What it is, and
what had to be decided while reading it, is printed. Ids, boxes, joints and visibility stay.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lib.utils.cli import run_tool
from lib.utils.errors import ConfigError

FORMS = ("coco", "yolo", "cvat", "labelstudio")
READ = (*FORMS, "deeplabcut", "sleap", "results")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(description="Convert labelled pictures between tools.")
    add = parser.add_argument
    add("source", metavar="IN", help="file or folder; its format is found, see --from")
    add("--to", required=True, choices=FORMS, help="format to write")
    add(
        "--out", required=True, metavar="PATH", help="file or folder to write; must be new or empty"
    )
    add("--from", dest="kind", default="", choices=READ, help="format of IN, where it is not found")
    add("--images", default="", metavar="DIR", help="folder that the pictures' names are below")
    add("--skeleton", default="", metavar="S", help="joints, where IN does not name them")
    add("--category", default="", metavar="C", help="what is a person, see DATASET.CATEGORY")
    add("--truth", default="", metavar="FILE", help="annotations that a result file belongs to")
    add(
        "--min-score",
        type=float,
        default=0.2,
        metavar="S",
        help="least score of predicted poses and joints (0.2)",
    )
    add("--corrections", default="", metavar="FILE", help="of tools/data/mine_labels.py, to apply")
    add(
        "--pictures",
        choices=("copy", "link", "none"),
        default="copy",
        help="what a folder of YOLO gets (copy)",
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> list[Path]:
    """Convert, and say what was read and written.

    Raises:
        DataError: IN is damaged or of no known format.
        ConfigError: there is something in --out already.
    """
    args = parse_args(argv)
    from lib.annotations.decisions import unlogged
    from lib.datasets.formats import ReadSettings, read_labels, write_labels
    from lib.datasets.formats.corrections import apply_corrections
    from lib.datasets.formats.registry import WriteSettings, describe
    from lib.structures.skeleton import load_skeleton

    _check_out(Path(args.out))
    settings = ReadSettings(
        images=args.images,
        skeleton=load_skeleton(args.skeleton) if args.skeleton else None,
        category=args.category,
        truth=args.truth,
        joint_score=args.min_score,
        pose_score=args.min_score,
    )
    with unlogged():  # what was decided is shown below
        labels = read_labels(args.source, args.kind, settings)
    if args.corrections:
        labels = apply_corrections(labels, args.corrections)
    print(describe(labels))
    files = write_labels(labels, args.to, args.out, WriteSettings(args.pictures))
    print("\n".join(f"wrote {file}" for file in files))
    return files


def _check_out(out: Path) -> None:
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise ConfigError(f"--out {out} already exists: name a new file or an empty folder.")


if __name__ == "__main__":
    run_tool(main)
