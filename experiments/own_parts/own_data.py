"""A reader, a metric and a loss of one's own: ``IMPORTS: [own_data.py]``.

Where each kind is described: ``lib.datasets.sources``, ``lib.evaluation.metrics`` and
``lib.losses.registry``.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from lib.datasets.sources import LAYOUTS, reader
from lib.evaluation.metrics import METRICS, Subject, metric
from lib.losses.registry import LOSSES, loss


@LAYOUTS.register("joint_table")
@reader(annotation="labels/{split}.csv", images="pictures/{split}")
def joint_table(file: Path) -> dict[str, Any]:
    """Read a table with a row per person; return what a COCO file of them would say.

    Its columns are picture, width, height (of the picture, in pixels), left, top, box_width,
    box_height, area, and per joint ``<joint>_x``, ``<joint>_y`` and ``<joint>_v`` (0, 1 or 2, as
    COCO's).
    """
    with file.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    joints = [name.removesuffix("_x") for name in rows[0] if name.endswith("_x")]
    pictures = list(dict.fromkeys(row["picture"] for row in rows))
    sizes = {row["picture"]: (int(row["width"]), int(row["height"])) for row in rows}
    images = [
        {"id": n, "file_name": name, "width": sizes[name][0], "height": sizes[name][1]}
        for n, name in enumerate(pictures)
    ]
    people = [
        {
            "id": n,
            "image_id": pictures.index(row["picture"]),
            "category_id": 1,
            "iscrowd": 0,
            "bbox": [float(row[key]) for key in ("left", "top", "box_width", "box_height")],
            "area": float(row["area"]),
            "keypoints": [float(row[f"{joint}_{axis}"]) for joint in joints for axis in "xyv"],
        }
        for n, row in enumerate(rows, start=1)
    ]
    category = {"id": 1, "name": "person", "keypoints": joints, "skeleton": []}
    return {"images": images, "annotations": people, "categories": [category]}


@METRICS.register("left_right")
@metric(primary="left minus right")
def left_right(subject: Subject) -> dict[str, float]:
    """How much further left joints are from their places than right ones, in shares of the box."""
    people = subject.people
    distances = people.distances(people.boxes[:, 2:].max(axis=1))  # (N, K), NaN if not labelled
    names = subject.truth.skeleton.joints
    sides = [np.array([joint.startswith(side) for joint in names]) for side in ("left_", "right_")]
    left, right = (distances[:, side] for side in sides)
    means = [part[np.isfinite(part)].mean() for part in (left, right)]
    return {"left minus right": float(means[0] - means[1])}


@LOSSES.register("smooth")
@loss(BETA=0.1)
def smooth(output: Tensor, targets: Tensor, weights: Tensor, *, beta: float) -> dict[str, Tensor]:
    """Compare heatmaps (N, K, H, W) by the absolute error, squared where it is below ``beta``."""
    errors = smooth_l1_loss(output.float(), targets, reduction="none", beta=beta)
    return {"smooth": (errors.mean(dim=(2, 3)) * weights).mean()}
