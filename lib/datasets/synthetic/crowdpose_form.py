"""CrowdPose's annotation files (Li et al. 2019): 14 joints, and how crowded an image is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lib.datasets.synthetic.formats import Record, category, write_json
from lib.datasets.synthetic.scene import CROWD_LABEL, Scene
from lib.datasets.synthetic.truth import SMALLEST_MASK, Truth, keypoint_list, mask_box
from lib.structures.skeleton import load_skeleton

COUNTED_JOINTS = 12  # head and neck do not count in ``num_keypoints``
VAL_SHARE = 6  # every sixth training image belongs to crowdpose_val; the real one is 10k to 2k
BODY_POINTS = {"head": "head_top"}  # CrowdPose's "head" is the crown; "head" here is its middle


def crowdpose_entries(scene: Scene, truths: list[Truth], image_id: int) -> list[dict[str, Any]]:
    """Return the CrowdPose annotations of one image, people then crowd region, without ``id``."""
    joints = load_skeleton("crowdpose").joints
    names = tuple(BODY_POINTS.get(joint, joint) for joint in joints)
    entries = []
    for truth in truths:
        rows = truth.joints(names, scene.labels) if truth.labelled else np.zeros((len(names), 3))
        entries.append(_entry(rows, truth.box, image_id, is_crowd=0))
    crowd = scene.labels == CROWD_LABEL
    if np.count_nonzero(crowd) >= SMALLEST_MASK:
        entries.append(_entry(np.zeros((len(names), 3)), mask_box(crowd), image_id, is_crowd=1))
    return entries


def write_crowdpose(folder: Path, split: str, records: list[Record]) -> None:
    """Write ``json/crowdpose_{train,val,trainval}.json`` from train, ``..._test.json`` from val."""
    if split == "val":
        _write(folder, "test", records)
        return
    held = [number % VAL_SHARE == VAL_SHARE - 1 for number in range(len(records))]
    train = [record for record, out in zip(records, held, strict=True) if not out]
    val = [record for record, out in zip(records, held, strict=True) if out]
    _write(folder, "train", train)
    _write(folder, "val", val)
    _write(folder, "trainval", [*train, *val])


def crowd_index(entries: list[dict[str, Any]]) -> float:
    """Return how crowded an image is, 0 to 1 (Li et al. 2019, equation 5).

    The mean over people of the joints of others inside their box, per joint of their own.
    """
    people = [entry for entry in entries if not entry["iscrowd"]]
    joints = [np.array(entry["keypoints"]).reshape(-1, 3) for entry in people]
    ratios = []
    for number, person in enumerate(people):
        x, y, width, height = person["bbox"]
        counts = [
            int(
                (
                    (rows[:, 2] > 0)
                    & (np.abs(rows[:, 0] - x - width / 2) <= width / 2)
                    & (np.abs(rows[:, 1] - y - height / 2) <= height / 2)
                ).sum()
            )
            for rows in joints
        ]
        own = counts.pop(number)
        if own:
            ratios.append(sum(counts) / own)
    return round(min(float(np.mean(ratios)), 1.0), 2) if ratios else 0.0


def _entry(
    rows: np.ndarray, box: tuple[int, int, int, int], image_id: int, *, is_crowd: int
) -> dict[str, Any]:
    return {
        "num_keypoints": int((rows[:COUNTED_JOINTS, 2] > 0).sum()),
        "iscrowd": is_crowd,
        "keypoints": keypoint_list(rows),
        "image_id": image_id,
        "bbox": list(box),
        "category_id": 1,
    }


def _write(folder: Path, name: str, records: list[Record]) -> None:
    document = {
        "images": [
            {
                "file_name": f"{record.image_id}.jpg",
                "id": record.image_id,
                "height": record.height,
                "width": record.width,
                "crowdIndex": crowd_index(record.entries["crowdpose"]),
            }
            for record in records
        ],
        "annotations": [
            {**entry, "id": 100 * record.image_id + number}
            for record in records
            for number, entry in enumerate(record.entries["crowdpose"])
        ],
        "categories": [category(load_skeleton("crowdpose"))],
    }
    write_json(folder / "json" / f"crowdpose_{name}.json", document)
