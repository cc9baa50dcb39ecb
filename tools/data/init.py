"""Start with labelled pictures: ``python tools/data/init.py PATH``.

PATH is a file or folder of any format that tools/data/convert.py reads. Prints what it is and what
had to be decided, and writes into --out: annotation files of training and validation (no video and
no person on both sides), ``skeleton.yaml``, and an experiment ``NAME.yaml`` that
``tools/train.py --cfg`` takes as it stands. Pictures stay where they are.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from lib.utils.cli import amount, run_tool
from lib.utils.errors import ConfigError, DataError

if TYPE_CHECKING:
    from lib.datasets.formats import LabelSet
    from lib.datasets.start.groups import Groups
    from lib.datasets.start.splits import Split


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(description="Write what a first training needs.")
    add = parser.add_argument
    add("source", metavar="PATH", help="labelled pictures, see tools/data/convert.py")
    add(
        "--out", default="", metavar="DIR", help="folder to write (data/NAME); must be new or empty"
    )
    add("--name", default="", help="of the data set (that of PATH)")
    add("--like", default="", metavar="YAML", help="experiment to start from (a small network)")
    add("--val", type=float, default=0.2, metavar="SHARE", help="of the pictures to validate (0.2)")
    add("--folds", type=amount, default=0, help="K splits; every picture validates once")
    add("--resplit", action="store_true", help="split anew, whatever split the data set has")
    add("--no-look", action="store_true", help="do not compare pictures to find frames of a scene")
    add("--seed", type=int, default=0, help="of the split (0)")
    add("--from", dest="kind", default="", help="format of PATH, where it is not found")
    add("--images", default="", metavar="DIR", help="folder that the pictures' names are below")
    add("--skeleton", default="", metavar="S", help="joints, where PATH does not name them")
    add("--category", default="", metavar="C", help="what is a person, see DATASET.CATEGORY")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> list[Path]:
    """Look, say what there is, and write; return the experiments.

    Raises:
        DataError: PATH is damaged, of no known format, or labels nobody.
        ConfigError: there is something in --out already, or no split is possible.
    """
    args = parse_args(argv)
    from lib.annotations.decisions import unlogged
    from lib.datasets.formats import ReadSettings, read_labels
    from lib.datasets.formats.registry import describe
    from lib.datasets.start.experiment import Plan, from_here, write_start
    from lib.datasets.start.groups import group_pictures
    from lib.datasets.start.joints import known_joints, skeleton_yaml
    from lib.structures.skeleton import load_skeleton

    if not 0 < args.val < 1:
        raise ConfigError(f"--val is a share of the pictures between 0 and 1, got {args.val:g}.")
    name = args.name or _plain_name(Path(args.source))
    plan = Plan(name, Path(args.out or Path("data") / name), args.like)
    if plan.folder.is_file() or (plan.folder.is_dir() and any(plan.folder.iterdir())):
        raise ConfigError(f"--out {plan.folder} already exists: name a new or an empty folder.")
    skeleton = load_skeleton(args.skeleton) if args.skeleton else None
    settings = ReadSettings(args.images, skeleton, args.category)
    with unlogged():  # what was decided is shown below
        labels = read_labels(args.source, args.kind, settings)
    print(describe(labels))
    if not any(person["num_keypoints"] for person in labels.people):
        raise DataError(f"Nobody in {args.source} has a labelled joint: nothing to train on.")
    known = known_joints(labels.skeleton, labels.categories[0]["name"])
    groups = group_pictures(labels, look=not args.no_look)
    splits = _splits(labels, groups, args)
    _say_split(groups, splits)
    plan.folder.mkdir(parents=True, exist_ok=True)
    (plan.folder / "skeleton.yaml").write_text(skeleton_yaml(known, name), encoding="utf-8")
    if known.assumed:
        print(f"sigmas of {', '.join(known.assumed)} are assumed: see skeleton.yaml")
    experiments = [write_start(labels, split, known, plan)[-1] for split in splits]
    files = sorted(from_here(path) for path in plan.folder.iterdir())
    print("wrote " + ", ".join(files))
    for tool in ("tools/doctor.py", "tools/train.py", "tools/test.py"):
        print(f"  python {tool} --cfg {from_here(experiments[0])}")
    return experiments


def _plain_name(source: Path) -> str:
    """Return a name for the data set that may stand in paths."""
    source = source.resolve()
    stem = source.stem if source.is_file() else source.name
    if stem.lower() in ("data", "labels", "annotations", "train", "result", "coco"):
        stem = source.parent.name or stem
    return re.sub(r"[^\w.-]+", "_", stem) or "own"


def _splits(labels: LabelSet, groups: Groups, args: argparse.Namespace) -> list[Split]:
    from dataclasses import replace

    from lib.datasets.start.splits import choose_folds, choose_split

    if args.folds:
        return choose_folds(groups, args.folds, seed=args.seed)
    if args.resplit:
        images = [{k: v for k, v in i.items() if k != "split"} for i in labels.images]
        labels = replace(labels, images=images)
    return [choose_split(labels, groups, share=args.val, seed=args.seed)]


def _say_split(groups: Groups, splits: list[Split]) -> None:
    reasons = "; ".join(groups.reasons) or "nothing tells which pictures belong together"
    print(f"{len(groups.sizes)} groups of pictures, the largest of {groups.sizes.max()}: {reasons}")
    for split in splits:
        counts = {side: len(split.places(side)) for side in ("train", "val", "test")}
        words = ", ".join(f"{count} {side}" for side, count in counts.items() if count)
        print(f"  {split.name or 'split'}: {words}")
        print("".join(f"  note: {note}\n" for note in split.notes), end="")


if __name__ == "__main__":
    run_tool(main)
