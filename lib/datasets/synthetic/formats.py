"""What all annotation formats share: the record of an image, file names, JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.structures.skeleton import Skeleton

FORMATS = ("coco", "mpii", "crowdpose")
FIRST_ID = {"train": 100001, "val": 500001}  # image ids never collide between the splits
MOST_IMAGES = 399_999  # of one split, so that the ids stay apart


@dataclass(frozen=True)
class Record:
    """What the annotation files need to know about one image.

    Attributes:
        image_id: unique over both splits.
        width: of the image, in pixels.
        height: of the image, in pixels.
        entries: for each format, one dictionary per annotation.
        detections: boxes of the simulated detector; empty for training images.
    """

    image_id: int
    width: int
    height: int
    entries: dict[str, list[dict[str, Any]]]
    detections: list[dict[str, Any]]


def image_path(style: str, split: str, image_id: int) -> str:
    """Return where a data set of this style keeps an image, relative to the common folder."""
    return {
        "coco": f"coco/images/{split}2017/{image_id:012d}.jpg",
        "mpii": f"mpii/images/{mpii_name(image_id)}",
        "crowdpose": f"crowdpose/images/{image_id}.jpg",
    }[style]


def mpii_name(image_id: int) -> str:
    """Return an image name in the style of MPII: nine digits."""
    return f"{image_id:09d}.jpg"


def category(skeleton: Skeleton) -> dict[str, Any]:
    """Return the ``categories`` entry of a skeleton; limbs count joints from 1, as in COCO."""
    return {
        "supercategory": "person",
        "id": 1,
        "name": "person",
        "keypoints": list(skeleton.joints),
        "skeleton": [[first + 1, second + 1] for first, second in skeleton.limbs],
    }


def write_json(path: Path, content: Any) -> None:
    """Write compact JSON beside its place, then rename: readers never see half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
    draft.replace(path)
