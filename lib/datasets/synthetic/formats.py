"""The annotation files of COCO, from per-image records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lib.structures.skeleton import Skeleton, load_skeleton

FORMATS = ("coco",)
FIRST_ID = {"train": 100001, "val": 500001}  # image ids never collide between the splits
MOST_IMAGES = 399_999  # of one split, so that the ids stay apart
LICENCE = {
    "id": 1,
    "name": "CC0 1.0 Universal",
    "url": "https://creativecommons.org/publicdomain/zero/1.0/",
}


@dataclass(frozen=True)
class Record:
    """What the annotation files need to know about one image.

    Attributes:
        image_id: unique over both splits.
        width: of the image, in pixels.
        height: of the image, in pixels.
        coco: COCO annotations.
        detections: boxes of the simulated detector; empty for training images.
    """

    image_id: int
    width: int
    height: int
    coco: list[dict[str, Any]]
    detections: list[dict[str, Any]]


def image_path(style: str, split: str, image_id: int) -> str:
    """Return where a data set of this style keeps an image, relative to its own folder's parent."""
    return {
        "coco": f"coco/images/{split}2017/{image_id:012d}.jpg",
    }[style]


def coco_document(records: Iterable[Record], seed: int) -> dict[str, Any]:
    """Return a whole COCO person-keypoints file."""
    records = list(records)
    return {
        "info": {
            "description": "synthpose: procedurally drawn people",
            "version": "1.0",
            "year": 2026,
            "contributor": "efepose",
            "url": "",
            "seed": seed,
        },
        "licenses": [LICENCE],
        "images": [
            {
                "license": LICENCE["id"],
                "file_name": f"{record.image_id:012d}.jpg",
                "height": record.height,
                "width": record.width,
                "id": record.image_id,
            }
            for record in records
        ],
        "annotations": [
            {**entry, "id": 100 * record.image_id + number}
            for record in records
            for number, entry in enumerate(record.coco)
        ],
        "categories": [category(load_skeleton("coco"))],
    }


def category(skeleton: Skeleton) -> dict[str, Any]:
    """Return the ``categories`` entry of a skeleton; limbs count joints from 1, as in COCO."""
    return {
        "supercategory": "person",
        "id": 1,
        "name": "person",
        "keypoints": list(skeleton.joints),
        "skeleton": [[first + 1, second + 1] for first, second in skeleton.limbs],
    }
