"""Draw the predictions of a COCO results file, any joint count, onto the images.

Flags, file names and score thresholds are those of the HRNet family's script. Differs from it:
a person need not overlap an annotated one to be drawn, and ``--draw-gt`` puts the ground truth
beside the prediction.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from lib.evaluation.coco_files import Rows, pose_skeleton, read_ground_truth, read_results
from lib.structures.drawing import PALETTES, draw_poses, join_panels, save_picture
from lib.structures.geometry import xywh_to_xyxy
from lib.structures.skeleton import Skeleton, load_skeleton
from lib.utils.cli import run_tool
from lib.utils.errors import DataError
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
    add("--limit", type=int, default=5000, help="most pictures to draw (default: 5000)")
    add("--draw-gt", action="store_true", help="put the ground truth beside the prediction")
    add("--boxes", action="store_true", help="outline the people's boxes")
    add("--labels", action="store_true", help="write the people's scores")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Draw the people of every predicted image.

    Raises:
        DataError: a file is missing or damaged, or no picture could be drawn.
    """
    args = parse_args(argv)
    dataset = read_ground_truth(args.gt_anno)
    by_image = group_people(read_results(args.prediction), args.score_threshold)
    truths = _truths(dataset) if args.draw_gt else {}
    save_path = Path(args.save_path)
    drawn = 0
    for image in sorted(dataset["images"], key=lambda entry: entry["id"]):
        people = by_image.get(image["id"], [])
        if not people or drawn >= args.limit:
            continue
        skeleton = _skeleton(dataset, len(people[0]["keypoints"]) // 3)
        name = Path(image.get("file_name", f"{image['id']:012d}.jpg"))
        try:
            pixels = read_image(Path(args.image_path) / name)
        except DataError as error:
            print(f"skipped: {error}", file=sys.stderr)
            continue
        picture = draw_people(pixels, people, skeleton, args)
        if args.draw_gt:
            truth = _draw_truth(pixels, truths.get(image["id"], []), skeleton, args.style)
            picture = join_panels([truth, picture], ["ground truth", "prediction"])
        mean = int(1000 * np.mean([person["score"] for person in people]))
        file = save_path / f"score_{mean}_id_{image['id']}_{name.stem}.png"
        save_picture(file, picture)
        drawn += 1
    if drawn == 0:
        raise DataError(
            f"Nothing drawn: no image of {args.image_path} has a person scored at least "
            f"{args.score_threshold}; check --image-path, --gt-anno and --score-threshold."
        )
    print(f"{drawn} pictures in {save_path}")


def group_people(rows: Rows, score_threshold: float) -> dict[int, Rows]:
    """Return the best 20 people of each image that score at least ``score_threshold``."""
    by_image: dict[int, Rows] = defaultdict(list)
    for number, row in enumerate(rows):
        missing = {"image_id", "keypoints", "score"} - row.keys()
        if missing:
            raise DataError(f"Result {number} has no {sorted(missing)}: is this a results file?")
        if row["score"] >= score_threshold:
            by_image[row["image_id"]].append(row)
    return {
        image_id: sorted(people, key=lambda row: -row["score"])[:MAX_PEOPLE]
        for image_id, people in by_image.items()
    }


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
    )


def _draw_truth(pixels: np.ndarray, people: Rows, skeleton: Skeleton, style: str) -> np.ndarray:
    if not people:
        return pixels.copy()
    triples = _triples(people, skeleton)
    return draw_poses(
        pixels, triples[..., :2], triples[..., 2], skeleton, palette=style, threshold=1
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


def _truths(dataset: dict) -> dict[int, Rows]:
    by_image: dict[int, Rows] = defaultdict(list)
    for row in dataset["annotations"] or []:
        if row.get("num_keypoints", 1) and row.get("keypoints"):
            by_image[row["image_id"]].append(row)
    return by_image


def _skeleton(dataset: dict, joints: int) -> Skeleton:
    """Return the annotated skeleton; COCO's for a test split, which names no joints."""
    if dataset["annotations"] is None and joints == 17:
        return load_skeleton("coco")
    return pose_skeleton({**dataset, "annotations": dataset["annotations"] or []})


if __name__ == "__main__":
    run_tool(main)
