"""Draw the predictions of an MPII ``pred.mat`` onto the images, all people of an image at once.

Flags as in the HRNet family's script. ``preds`` are 1-based pixels in the order of ``valid.json``.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from lib.evaluation.coco_files import read_json
from lib.evaluation.mpii import read_mat
from lib.structures.drawing import PALETTES, draw_poses, join_panels, save_picture
from lib.structures.skeleton import load_skeleton
from lib.utils.cli import run_tool
from lib.utils.errors import DataError
from lib.utils.images import read_image

SKELETON = load_skeleton("mpii")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(description="Draw MPII predictions onto their images.")
    add = parser.add_argument
    add("--prediction", required=True, metavar="FILE", help="pred.mat")
    add("--image-path", default="data/mpii/images/", metavar="DIR", help="the images")
    add("--gt-anno", default="data/mpii/annot/valid.json", metavar="FILE", help="valid.json")
    add("--save-path", default="visualization/mpii/", metavar="DIR", help="where pictures go")
    add("--style", default="chunhua", choices=PALETTES, help="colours (default: chunhua)")
    add("--threshold", type=float, default=0.0, help="least score of a joint, if scores are known")
    add("--limit", type=int, default=5000, help="most pictures to draw (default: 5000)")
    add("--draw-gt", action="store_true", help="put the ground truth beside the prediction")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Draw the people of every image that is there.

    Raises:
        DataError: a file is missing or damaged, or no picture could be drawn.
    """
    args = parse_args(argv)
    if not Path(args.image_path).is_dir():
        raise DataError(f"No folder '{args.image_path}': give --image-path, where the images are.")
    records = read_records(args.gt_anno)
    points, scores = read_predictions(args.prediction, len(records))
    save_path = Path(args.save_path)
    drawn = skipped = 0
    for name, rows in _by_image(records).items():
        if drawn >= args.limit:
            break
        try:
            pixels = read_image(Path(args.image_path) / name)
        except DataError as error:
            skipped += 1
            if skipped == 1:
                print(f"skipped: {error}", file=sys.stderr)
            continue
        seen = None if scores is None else scores[rows]
        picture = draw_poses(
            pixels, points[rows], seen, SKELETON, palette=args.style, threshold=args.threshold
        )
        if args.draw_gt:
            truth = _draw_truth(pixels, [records[row] for row in rows], args.style)
            picture = join_panels([truth, picture], ["ground truth", "prediction"])
        file = save_path / f"score_{_score(points, records, rows)}_name_{Path(name).stem}.png"
        save_picture(file, picture)
        drawn += 1
    if drawn == 0:
        raise DataError(
            f"Nothing drawn: none of the {skipped} images can be read in '{args.image_path}'."
        )
    print(f"{drawn} pictures in {save_path}" + (f", {skipped} without image" if skipped else ""))


def read_predictions(path: str | Path, people: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return (N, 16, 2) 0-based pixels and (N, 16) scores, if there are any.

    Raises:
        DataError: the file is missing, damaged, or not of these ``people``.
    """
    content = read_mat(path, ("preds",))
    preds = content["preds"]
    if preds.ndim != 3 or preds.shape[:2] != (people, SKELETON.num_joints) or preds.shape[2] < 2:
        raise DataError(
            f"'{path}' has preds of {preds.shape}, wanted ({people}, 16, 2): one row per record "
            "of --gt-anno."
        )
    scores = content.get("scores")
    if scores is not None and scores.shape != preds.shape[:2]:
        raise DataError(f"'{path}' has scores of {scores.shape}, wanted {preds.shape[:2]}.")
    return preds[..., :2] - 1, scores


def read_records(path: str | Path) -> list[dict]:
    """Return the records of ``valid.json``.

    Raises:
        DataError: the file is missing or is not such a list.
    """
    records = read_json(path)
    if not isinstance(records, list):
        raise DataError(f"'{path}' must be a list of records: is it valid.json?")
    for number, record in enumerate(records):
        if not isinstance(record, dict) or not isinstance(record.get("image"), str):
            raise DataError(f"Record {number} of '{path}' has no 'image': is it valid.json?")
        if "joints" in record and not _is_annotated(record):
            raise DataError(
                f"Record {number} of '{path}' must have 16 'joints' x, y, as many 'joints_vis', "
                "and a number as 'scale'."
            )
    return records


def _is_annotated(record: dict) -> bool:
    try:
        joints = np.asarray(record["joints"], np.float64)
        visible = np.asarray(record["joints_vis"], np.float64)
        float(record["scale"])
    except (KeyError, TypeError, ValueError):
        return False
    count = SKELETON.num_joints
    return joints.shape == (count, 2) and visible.shape == (count,)


def _by_image(records: list[dict]) -> dict[str, list[int]]:
    """Return the record numbers of each image name, in the order of the file."""
    rows: dict[str, list[int]] = defaultdict(list)
    for number, record in enumerate(records):
        rows[record["image"]].append(number)
    return rows


def _draw_truth(pixels: np.ndarray, records: list[dict], style: str) -> np.ndarray:
    records = [record for record in records if "joints" in record]  # a test split has none
    if not records:
        return pixels.copy()
    points = np.array([record["joints"] for record in records], np.float64) - 1
    visible = np.array([record["joints_vis"] for record in records])
    return draw_poses(pixels, points, visible, SKELETON, palette=style, threshold=1)


def _score(points: np.ndarray, records: list[dict], rows: list[int]) -> int:
    """Return 1000 x (1 - mean distance in person sizes) of annotated joints, for sorting files."""
    shares = []
    for row in rows:
        record = records[row]
        if "joints" in record and np.any(record["joints_vis"]):
            visible = np.asarray(record["joints_vis"]) > 0
            truth = np.array(record["joints"], np.float64)[visible] - 1
            distance = np.linalg.norm(points[row][visible] - truth, axis=1).mean()
            shares.append(distance / max(200 * float(record["scale"]), 1.0))
    return int(1000 * (1 - min(np.mean(shares), 1.0))) if shares else 0


if __name__ == "__main__":
    run_tool(main)
