"""COCO's annotation files, and the detector file the HRNet family reads beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lib.datasets.synthetic.formats import Record, category, write_json
from lib.datasets.synthetic.scene import CROWD_LABEL, Scene
from lib.datasets.synthetic.truth import (
    SMALLEST_MASK,
    Truth,
    keypoint_list,
    mask_box,
    mask_polygons,
    mask_runs,
)
from lib.structures.skeleton import load_skeleton

DETECTIONS = "person_detection_results/COCO_val2017_detections_AP_H_56_person.json"
LICENCE = {
    "id": 1,
    "name": "CC0 1.0 Universal",
    "url": "https://creativecommons.org/publicdomain/zero/1.0/",
}
INFO = {
    "description": "synthpose: procedurally drawn people",
    "url": "",
    "version": "1.0",
    "year": 2026,
    "contributor": "efepose",
    "date_created": "",
}


def coco_entries(scene: Scene, truths: list[Truth], image_id: int) -> list[dict[str, Any]]:
    """Return the COCO annotations of one image, people then crowd region, without ``id``.

    Coordinates are rounded to a hundredth of a pixel.
    """
    names = load_skeleton("coco").joints
    entries = []
    for truth in truths:
        joints = truth.joints(names, scene.labels) if truth.labelled else np.zeros((len(names), 3))
        entries.append(
            {
                "segmentation": mask_polygons(truth.mask),
                "num_keypoints": int((joints[:, 2] > 0).sum()),
                "area": truth.area,
                "iscrowd": 0,
                "keypoints": keypoint_list(joints),
                "image_id": image_id,
                "bbox": list(truth.box),
                "category_id": 1,
            }
        )
    crowd = scene.labels == CROWD_LABEL
    if np.count_nonzero(crowd) >= SMALLEST_MASK:
        entries.append(
            {
                "segmentation": mask_runs(crowd),
                "num_keypoints": 0,
                "area": int(np.count_nonzero(crowd)),
                "iscrowd": 1,
                "keypoints": [0] * (3 * len(names)),
                "image_id": image_id,
                "bbox": list(mask_box(crowd)),
                "category_id": 1,
            }
        )
    return entries


def write_coco(folder: Path, split: str, records: list[Record]) -> None:
    """Write ``annotations/person_keypoints_<split>2017.json``; for ``val`` also the detections."""
    document = {
        "info": INFO,
        "licenses": [LICENCE],
        "images": [_image(record) for record in records],
        "annotations": [
            {**entry, "id": 100 * record.image_id + number}
            for record in records
            for number, entry in enumerate(record.entries["coco"])
        ],
        "categories": [category(load_skeleton("coco"))],
    }
    write_json(folder / f"annotations/person_keypoints_{split}2017.json", document)
    if split == "val":
        write_json(folder / DETECTIONS, [box for record in records for box in record.detections])


def _image(record: Record) -> dict[str, Any]:
    return {
        "license": LICENCE["id"],
        "file_name": f"{record.image_id:012d}.jpg",
        "height": record.height,
        "width": record.width,
        "id": record.image_id,
    }
