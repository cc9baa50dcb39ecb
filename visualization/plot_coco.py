"""Draw the predictions of a COCO results file, any joint count, onto the images.

Flags, file names and score thresholds are those of the HRNet family's script. Differs from it:
a person need not overlap an annotated one to be drawn, and ``--draw-gt`` puts the ground truth
beside the prediction.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from lib.annotations.form import Annotations
from lib.annotations.matching import PictureKeys, match_pictures
from lib.evaluation.coco_files import Rows, read_results, read_truth_file
from lib.structures.drawing import draw_poses, join_panels, save_picture
from lib.structures.geometry import xywh_to_xyxy
from lib.structures.palettes import PALETTES
from lib.structures.skeleton import Skeleton
from lib.utils.cli import count, require_pictures, run_tool
from lib.utils.errors import DataError, UnreadableImageError
from lib.utils.images import read_image

MAX_PEOPLE = 20


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(description="Draw COCO predictions onto their images.")
    add = parser.add_argument
    add("--prediction", required=True, metavar="FILE", help="keypoints_<set>_results_<rank>.json")
    add("--image-path", default="data/coco/images/val2017/", metavar="DIR", help="the images")
    add(
        "--gt-anno",
        default="data/coco/annotations/person_keypoints_val2017.json",
        metavar="FILE",
        help="annotation file: names of images and joints, and the ground truth",
    )
    add("--save-path", default="visualization/coco/", metavar="DIR", help="where pictures go")
    add("--style", default="chunhua", choices=PALETTES, help="colours (default: chunhua)")
    add("--threshold", type=float, default=0.2, help="least score of a joint (default: 0.2)")
    add("--score-threshold", type=float, default=0.3, help="least score of a person (default: 0.3)")
    add("--limit", type=count, default=5000, help="most pictures to draw (default: 5000)")
    add("--draw-gt", action="store_true", help="put the ground truth beside the prediction")
    add("--boxes", action="store_true", help="outline the people's boxes")
    add("--labels", action="store_true", help="write the people's scores")
    add("--fade", action="store_true", help="paint joints the fainter the lower they score")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Draw the people of every predicted image.

    Raises:
        DataError: a file is missing or damaged, or no picture could be drawn.
    """
    args = parse_args(argv)
    truth = read_truth_file(args.gt_anno)
    require_pictures(args.image_path)
    by_image = group_people(read_results(args.prediction), args.score_threshold)
    people_of = match_images(by_image, truth, args.prediction)
    save_path = Path(args.save_path)
    drawn = 0
    for number in np.argsort(truth.images.ids, kind="stable").tolist():
        people = people_of.get(number, [])
        if not people or drawn >= args.limit:
            continue
        try:
            picture = draw_image(truth, number, people, args)
        except UnreadableImageError as error:
            print(f"skipped: {error}", file=sys.stderr)
            continue
        mean = int(1000 * np.mean([person["score"] for person in people]))
        stem = Path(truth.images.path(number)).stem
        save_picture(
            save_path / f"score_{mean}_id_{truth.images.label(number)}_{stem}.png", picture
        )
        drawn += 1
    if drawn == 0:
        raise DataError(_why_nothing(by_image, args))
    print(f"{drawn} pictures in {save_path}")


def match_images(by_image: dict[Any, Rows], truth: Annotations, file: str) -> dict[int, Rows]:
    """Return the people of each image, by the number of the image.

    Raises:
        DataError: none of the images is in the data set.
    """
    keys = list(by_image)
    numbers = match_pictures(keys, PictureKeys.of(truth.images), file, f"'{truth.path}'")
    return {n: by_image[key] for n, key in zip(numbers.tolist(), keys, strict=True) if n >= 0}


def draw_image(
    truth: Annotations, number: int, people: Rows, args: argparse.Namespace
) -> np.ndarray:
    """Return image ``number`` with its people, beside the annotated ones if the flags ask.

    Raises:
        UnreadableImageError: the picture is missing, damaged, or of another size than annotated.
        DataError: people have other joints than the data set.
    """
    path = Path(args.image_path) / truth.images.path(number)
    pixels = read_image(path, size=truth.images.size(number))
    picture = draw_people(pixels, people, truth.skeleton, args)
    if not args.draw_gt:
        return picture
    annotated = _draw_truth(pixels, truth, number, args.style)
    return join_panels([annotated, picture], ["ground truth", "prediction"])


def _why_nothing(by_image: dict[Any, Rows], args: argparse.Namespace) -> str:
    """Return what to mend where no picture was drawn."""
    if not by_image:
        return (
            f"Nothing drawn: '{args.prediction}' has nobody scored at least "
            f"{args.score_threshold}; see --score-threshold."
        )
    return (
        f"Nothing drawn: none of the predicted images can be read in '{args.image_path}'; check "
        "--image-path."
    )


def group_people(rows: Rows, score_threshold: float) -> dict[Any, Rows]:
    """Return the best 20 people of each image that score at least ``score_threshold``.

    Raises:
        DataError: a row has no joints or score, or something else in their place.
    """
    by_image: dict[Any, Rows] = defaultdict(list)
    for number, row in enumerate(rows):
        check_row(row, number)
        if row["score"] >= score_threshold:
            by_image[row["image_id"]].append(row)
    return {
        image_id: sorted(people, key=lambda row: -row["score"])[:MAX_PEOPLE]
        for image_id, people in by_image.items()
    }


def check_row(row: dict, number: int) -> None:
    """Check the values of a result that are drawn.

    Raises:
        DataError: one is missing or of another type.
    """
    missing = {"image_id", "keypoints", "score"} - row.keys()
    if missing:
        raise DataError(f"Result {number} has no {sorted(missing)}: is this a results file?")
    wanted = {
        "image_id": "a whole number or a name",
        "score": "a finite number",
        "keypoints": "numbers x, y, score",
    }
    sizes = {"bbox": 4, "center": 2, "scale": 2}
    good = {
        "image_id": isinstance(row["image_id"], int | str),
        "score": is_numbers([row["score"]]) and math.isfinite(row["score"]),
        "keypoints": is_numbers(row["keypoints"]) and len(row["keypoints"]) % 3 == 0,
    } | {key: is_numbers(row[key], size) for key, size in sizes.items() if key in row}
    for key in (key for key, value in good.items() if not value):
        raise DataError(
            f"Result {number} has {str(row[key])[:60]!r} in '{key}', wanted "
            f"{wanted.get(key) or f'{sizes[key]} numbers'}: is this a results file?"
        )


def is_numbers(value: object, count: int | None = None) -> bool:
    """Return whether ``value`` is a list of numbers, ``count`` of them if given."""
    if not isinstance(value, list) or (count is not None and len(value) != count):
        return False
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)


def draw_people(
    pixels: np.ndarray, people: Rows, skeleton: Skeleton, args: argparse.Namespace
) -> np.ndarray:
    """Return a copy of ``pixels`` with result rows painted as the flags ask."""
    triples = _triples(people, skeleton)
    boxes = None
    if args.boxes:
        boxes = np.array([_box(row, triple) for row, triple in zip(people, triples, strict=True)])
    return draw_poses(
        pixels,
        triples[..., :2],
        triples[..., 2],
        skeleton,
        palette=args.style,
        threshold=args.threshold,
        boxes=boxes,
        labels=[f"{row['score']:.2f}" for row in people] if args.labels else None,
        fade=args.fade,
    )


def _draw_truth(pixels: np.ndarray, truth: Annotations, number: int, style: str) -> np.ndarray:
    people = truth.triples[(truth.people.image_index == number) & (truth.num_keypoints > 0)]
    if not len(people):
        return pixels.copy()
    return draw_poses(
        pixels, people[..., :2], people[..., 2], truth.skeleton, palette=style, threshold=1
    )


def _triples(people: Rows, skeleton: Skeleton) -> np.ndarray:
    """Return (N, K, 3) x, y and score or visibility."""
    wanted = 3 * skeleton.num_joints
    for row in people:
        if len(row["keypoints"]) != wanted:
            raise DataError(
                f"A person of image {row['image_id']} has {len(row['keypoints'])} keypoint "
                f"numbers, but the skeleton '{skeleton.name}' wants {wanted}: do --prediction "
                "and --gt-anno belong together?"
            )
    return np.array([row["keypoints"] for row in people], np.float64).reshape(len(people), -1, 3)


def _box(row: dict, triple: np.ndarray) -> np.ndarray:
    """Return the person's x1, y1, x2, y2: its own, its crop's, or around its joints."""
    if "bbox" in row:
        return xywh_to_xyxy(np.array(row["bbox"]))
    if "center" in row and "scale" in row:
        half = np.array(row["scale"]) * 100  # the family's scale is size / 200
        return np.concatenate([row["center"] - half, row["center"] + half])
    return np.concatenate([triple[:, :2].min(axis=0), triple[:, :2].max(axis=0)])


if __name__ == "__main__":
    run_tool(main)
