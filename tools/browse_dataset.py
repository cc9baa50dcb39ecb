"""Look at the training data: ``python tools/browse_dataset.py --cfg experiments/....yaml``.

Draws a contact sheet. Top-down: one row per person, as annotated, as augmented (several draws), and
the targets the network learns. Bottom-up and one-stage: one row per image, augmented (several
draws), with what the network and its loss are given: masks, heatmaps, tags; boxes. Names suspicious
annotations, and with ``--flagged`` shows only those.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from yacs.config import CfgNode

from lib.annotations.tables import PersonTable
from lib.codecs import build_codec
from lib.config.cli import config_parser, parse_config, run_folders
from lib.datasets.inspection import inspect_people
from lib.datasets.sources import read_people, read_source, source_skeleton
from lib.structures.drawing import draw_label, draw_poses, overlay_heatmaps, save_picture
from lib.structures.geometry import apply_affine, image_to_crop_affine
from lib.structures.palettes import PALETTES
from lib.structures.skeleton import Skeleton
from lib.utils.cli import count, run_tool
from lib.utils.errors import DataError
from lib.utils.files import json_text
from lib.utils.logging import setup_logging

if TYPE_CHECKING:
    import argparse

    from lib.codecs import Codec
    from lib.datasets.topdown import TrainCrops


class Inspected(NamedTuple):
    """The people of a split.

    Attributes:
        people: all who are annotated.
        skeleton: their joints.
        kinds: what is suspicious, by row of ``people``.
    """

    people: PersonTable
    skeleton: Skeleton
    kinds: dict[int, list[str]]


def main(argv: list[str] | None = None) -> dict[str, int]:
    """Write the sheet and flags.json; return the number of annotations of each suspicious kind."""
    parser = config_parser("Look at the training data and at what augmentation makes of it.")
    add = parser.add_argument
    add("--out", metavar="DIR", help="default: browse in the run folder")
    add("--split", choices=("train", "test"), default="train", help="default: train")
    add("--people", type=count, default=8, help="rows of the sheet (default: 8)")
    add("--views", type=count, default=3, help="augmented draws of each person (default: 3)")
    add("--flagged", action="store_true", help="show suspicious annotations only")
    add("--style", default="coco", choices=PALETTES, help="colours (default: coco)")
    add("--set", default="", metavar="NAME", help="of a mix: which data set (default: the first)")
    cfg, args = parse_config(parser, argv)

    from lib.tasks.build import task_kind
    from lib.tasks.sets import member_alone

    setup_logging()
    out = Path(args.out) if args.out else run_folders(cfg, args.cfg)[0] / "browse"
    cfg = member_alone(cfg, args.set)
    people, skeleton = load_people(cfg, train=args.split == "train")
    flags = inspect_people(people, skeleton)
    report(people, flags, out / "flags.json")
    draw = sheet_of_people if task_kind(cfg) == "topdown" else sheet_of_images
    sheet, shown = draw(cfg, args, Inspected(people, skeleton, kinds_by_row(flags)))
    save_picture(out / "sheet.png", sheet)
    print(f"{shown}: {out / 'sheet.png'}")
    return {kind: len(rows) for kind, rows in flags.items()}


def choose(cfg: CfgNode, args: argparse.Namespace, candidates: np.ndarray) -> list[int]:
    """Return as many candidates as the sheet has rows, drawn by ``SEED``.

    Raises:
        DataError: there is none.
    """
    if not len(candidates):
        raise DataError(
            "There is nobody to show" + (": no annotation is suspicious." * args.flagged)
        )
    return np.random.default_rng(cfg.SEED).permutation(candidates)[: args.people].tolist()


def sheet_of_images(
    cfg: CfgNode, args: argparse.Namespace, found: Inspected
) -> tuple[np.ndarray, str]:
    """Return the sheet of a model of whole images, and how many images are on it."""
    from lib.tasks import build_task
    from lib.tasks.pictures import image_rows, sample_pictures, sheet_row, stack_rows

    task: Any = build_task(cfg if args.split == "train" else trained_on_its_test_split(cfg))
    rows = image_rows(task)
    candidates = np.arange(len(rows))
    if args.flagged:
        candidates = candidates[np.isin(rows, found.people.image_index[sorted(found.kinds)])]
    sheet = []
    for index in choose(cfg, args, candidates):
        views = [sample_pictures(task, (n, index), args.style) for n in range(max(1, args.views))]
        sheet.append(sheet_row([view[0] for view in views] + views[-1][1:]))
    return stack_rows(sheet), f"{len(sheet)} images"


def trained_on_its_test_split(cfg: CfgNode) -> CfgNode:
    """Return ``cfg`` with the files of the test split in place of the training's."""
    node = cfg.clone()
    node.defrost()
    data = node.DATASET
    data.DATASET = data.DATASET_TEST or data.DATASET
    data.TRAIN_SET, data.ANNOTATION = data.TEST_SET, data.ANNOTATION_TEST
    data.IMAGES = data.IMAGES_TEST
    node.freeze()
    return node


def sheet_of_people(
    cfg: CfgNode, args: argparse.Namespace, found: Inspected
) -> tuple[np.ndarray, str]:
    """Return the sheet of a top-down model, and how many people are on it."""
    from lib.datasets.topdown import TrainCrops
    from lib.tasks.topdown_options import build_augmentation

    people, kinds = found.people, found.kinds
    chosen = choose(cfg, args, np.array(sorted(kinds)) if args.flagged else shown_people(people))
    codec = build_codec(cfg)
    data = TrainCrops(
        people,
        build_augmentation(cfg, found.skeleton),
        input_size=codec.input_size,
        seed=cfg.SEED,
        unbiased=codec.unbiased,
        max_bad_images=cfg.DATASET.MAX_BAD_IMAGES,
    )
    sheet = [
        row_of(data, codec, row, max(1, args.views), kinds.get(row, []), args.style)
        for row in chosen
    ]
    return np.concatenate(sheet), f"{len(sheet)} people"


def load_people(cfg: CfgNode, *, train: bool) -> tuple[PersonTable, Skeleton]:
    """Return all annotated people, those that training leaves out included, and the skeleton."""
    from lib.tasks.splits import build_source

    source = build_source(cfg, train=train)
    skeleton = source_skeleton(source, cfg.DATASET.SKELETON)
    if source.kind == "mpii":
        return read_people(source, skeleton)
    annotations = read_source(source, skeleton)
    return annotations.people.select(~annotations.is_crowd), annotations.skeleton


def shown_people(people: PersonTable) -> np.ndarray:
    """Return the rows of people with joints and a box."""
    boxed = (people.boxes[:, 2:] > 0).all(axis=1) | ~np.isnan(people.crops).any(axis=1)
    return np.nonzero((people.visibility > 0).any(axis=1) & boxed)[0]


def kinds_by_row(flags: dict[str, np.ndarray]) -> dict[int, list[str]]:
    """Return what is suspicious about each person."""
    kinds: dict[int, list[str]] = {}
    for kind, rows in flags.items():
        for row in rows.tolist():
            kinds.setdefault(row, []).append(kind)
    return kinds


def report(people: PersonTable, flags: dict[str, np.ndarray], path: Path) -> None:
    """Print how many annotations are suspicious, write which."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json_text({kind: people.ids[rows] for kind, rows in flags.items()}) + "\n", encoding="utf-8"
    )
    print(f"{len(people)} annotated people")
    for kind, rows in flags.items():
        print(f"  {len(rows):6d} {kind}")
    print(f"their ids: {path}")


def row_of(
    data: TrainCrops, codec: Codec, row: int, views: int, kinds: list[str], style: str
) -> np.ndarray:
    """Return one row of the sheet: as annotated, ``views`` augmented ones, targets of the last.

    Args:
        data: the people, as training shows them.
        codec: draws the targets.
        row: number of the person.
        views: number of augmented draws, at least 1.
        kinds: what is suspicious, to write on the first picture.
        style: palette.
    """
    import torch

    skeleton = data.skeleton
    person = data.people.select(np.array([row]))
    lines = [str(int(person.ids[0])), *kinds]
    tiles = [annotated(person, skeleton, codec, lines, style)]
    samples = [data[view, row] for view in range(views)]
    for sample in samples:
        shown = np.where(sample["visible"][:, None] > 0, sample["keypoints"], np.nan)
        tiles.append(draw_poses(sample["image"], shown[None], None, skeleton, palette=style))
    sample = samples[-1]
    targets, _ = codec.encode(
        torch.from_numpy(sample["keypoints"])[None], torch.from_numpy(sample["visible"])[None]
    )
    maps = codec.maps(codec.ideal(targets))
    tiles.append(overlay_heatmaps(sample["image"], maps[0].numpy()))
    return np.concatenate([bordered(tile) for tile in tiles], axis=1)


def annotated(
    person: PersonTable, skeleton: Skeleton, codec: Codec, lines: Iterable[str], style: str
) -> np.ndarray:
    """Return the crop of a person without augmentation, with joints and lines of text."""
    from lib.datasets.topdown import cut_crops, person_crops

    size, unbiased = codec.input_size, codec.unbiased  # as the network is shown its crops
    crops = person_crops(person, size)
    pixels = cut_crops(person.read_image(0), crops, size, unbiased=unbiased)[0]
    matrix = image_to_crop_affine(crops, size, unbiased=unbiased)[0]
    joints = apply_affine(matrix, person.keypoints[0])
    shown = np.where(person.visibility[0][:, None] > 0, joints, np.nan)
    canvas = draw_poses(pixels, shown[None], None, skeleton, palette=style)
    for n, line in enumerate(lines):
        draw_label(canvas, line, (0, 14 * (n + 1)))
    return canvas


def bordered(tile: np.ndarray) -> np.ndarray:
    """Return a picture with a white line around it."""
    return cv2.copyMakeBorder(tile, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(255, 255, 255))


if __name__ == "__main__":
    run_tool(main)
