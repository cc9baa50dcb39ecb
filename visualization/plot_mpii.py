"""Draw the predictions of an MPII ``pred.mat`` onto the images, all people of an image at once.

Flags as in the HRNet family's script. ``preds`` are 1-based pixels in the order of ``valid.json``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from lib.annotations.mpii import CROP_GROWTH, read_mpii
from lib.annotations.tables import PersonTable
from lib.evaluation.mpii import read_mat
from lib.structures.drawing import draw_poses, join_panels, save_picture
from lib.structures.palettes import PALETTES
from lib.structures.skeleton import load_skeleton
from lib.utils.cli import count, require_pictures, run_tool
from lib.utils.errors import DataError

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
    add("--limit", type=count, default=5000, help="most pictures to draw (default: 5000)")
    add("--draw-gt", action="store_true", help="put the ground truth beside the prediction")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Draw the people of every image that is there.

    Raises:
        DataError: a file is missing or damaged, or no picture could be drawn.
    """
    args = parse_args(argv)
    require_pictures(args.image_path)
    people = read_mpii(args.gt_anno, f"{args.image_path}/")
    points, scores = read_predictions(args.prediction, len(people))
    save_path = Path(args.save_path)
    drawn = skipped = 0
    for rows in _by_image(people):
        if drawn >= args.limit:
            break
        try:
            pixels = people.read_image(rows[0])
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
            truth = draw_poses(
                pixels,
                people.keypoints[rows],
                people.visibility[rows],
                SKELETON,
                palette=args.style,
                threshold=1,
            )
            picture = join_panels([truth, picture], ["ground truth", "prediction"])
        name = Path(people.image_path(rows[0])).stem
        file = save_path / f"score_{_score(points, people, rows)}_name_{name}.png"
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


def _by_image(people: PersonTable) -> list[np.ndarray]:
    """Return the rows of each image, images and rows in the order of the file."""
    images, first = np.unique(people.image_index, return_index=True)
    return [np.nonzero(people.image_index == n)[0] for n in images[np.argsort(first)]]


def _score(points: np.ndarray, people: PersonTable, rows: np.ndarray) -> int:
    """Return 1000 x (1 - mean distance in person sizes) of annotated joints, for sorting files."""
    distances = np.linalg.norm(points[rows] - people.keypoints[rows], axis=2)
    sizes = people.crops[rows, 2:3] / CROP_GROWTH
    shares = [
        (distance / size)[seen].mean()
        for distance, size, seen in zip(distances, sizes, people.visibility[rows] > 0, strict=True)
        if seen.any()
    ]
    return round(1000 * (1 - min(np.mean(shares), 1.0))) if shares else 0


if __name__ == "__main__":
    run_tool(main)
