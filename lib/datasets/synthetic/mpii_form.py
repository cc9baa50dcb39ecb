"""MPII's annotations in the HRNet family's JSON form, and ``gt_valid.mat`` for scoring.

Coordinates count pixels from 1, as MPII does. The published head boxes, head joints and scales
hang together: 0.6 of the diagonal of the head box is one sixth of 200 times the scale. So here.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from lib.datasets.synthetic.formats import Record, mpii_name, write_json
from lib.datasets.synthetic.scene import Scene
from lib.datasets.synthetic.truth import Truth
from lib.structures.skeleton import load_skeleton

SETS = {"train": "train", "val": "valid"}
HEAD_SHARE = 0.6  # of the diagonal of the head box is "the head size"
HEADS_PER_SCALE = 6.0  # head sizes in 200 pixels x scale
LOOSENESS = 1.2  # of the head size over the distance from neck to crown, as annotators draw it
BOX_SHAPE = np.array([0.6, 0.8])  # sides of a head box over its diagonal
# The annotated centre lies above the middle of the joints, in units of 200 pixels x scale
# (median over the published validation set).
CENTRE_LIFT = 0.032
# Names in ``gt_valid.mat``.
MAT_JOINTS = (
    "rank", "rkne", "rhip", "lhip", "lkne", "lank", "pelv", "thor",
    "neck", "head", "rwri", "relb", "rsho", "lsho", "lelb", "lwri",
)  # fmt: skip
MAT_HEADER = b"MATLAB 5.0 MAT-file, synthpose"  # instead of scipy's, which holds the time of day
HEADER_SIZE = 116  # bytes of text at the start of a MATLAB 5 file


def mpii_entries(scene: Scene, truths: list[Truth], image_id: int) -> list[dict[str, Any]]:
    """Return one row per labelled person: the family's keys, and ``head_box`` (2, 2).

    ``joints`` of invisible points are (-1, -1), as in the published files; ``head_box`` is
    ``[[x1, y1], [x2, y2]]``; everything is in 1-based pixels.
    """
    names = load_skeleton("mpii").joints
    rows = []
    for truth in truths:
        joints = truth.joints(names, scene.labels)
        annotated = joints[:, 2] > 0
        if not truth.labelled or not annotated.any():
            continue
        size, box = _head(truth)
        places = np.where(annotated[:, None], joints[:, :2] + 1, -1.0)
        inside = places[annotated]
        height = HEADS_PER_SCALE * size
        centre = (inside.min(axis=0) + inside.max(axis=0)) / 2 - (0.0, CENTRE_LIFT * height)
        rows.append(
            {
                "joints_vis": annotated.astype(int).tolist(),
                "joints": np.round(places, 2).tolist(),
                "image": mpii_name(image_id),
                "scale": round(height / 200, 6),
                "center": np.round(centre, 2).tolist(),
                "head_box": np.round(box + 1, 2).tolist(),
            }
        )
    return rows


def write_mpii(folder: Path, split: str, records: list[Record]) -> None:
    """Write ``annot/train.json``, or ``annot/valid.json`` and ``annot/gt_valid.mat``."""
    rows = [row for record in records for row in record.entries["mpii"]]
    public = [{key: row[key] for key in row if key != "head_box"} for row in rows]
    write_json(folder / "annot" / f"{SETS[split]}.json", public)
    if split == "val":
        _write_truth(folder / "annot" / "gt_valid.mat", rows)


def _head(truth: Truth) -> tuple[float, np.ndarray]:
    """Return the head size in pixels and the head box (2, 2), 0-based."""
    view = truth.person.view
    length = float(np.linalg.norm(view.body.point("head_top") - view.body.point("upper_neck")))
    size = LOOSENESS * length * view.scale("head")
    half = BOX_SHAPE * (size / HEAD_SHARE) / 2
    centre = (view.pixel("head_top") + view.pixel("upper_neck")) / 2
    return size, np.stack([centre - half, centre + half])


def _write_truth(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the ground truth the way MPII's scoring scripts want it: people on the last axis."""
    from scipy.io import savemat

    seen = np.array([row["joints_vis"] for row in rows], bool).reshape(-1, 16)
    joints = np.array([row["joints"] for row in rows], float).reshape(-1, 16, 2)
    joints[~seen] = 0.0
    boxes = np.array([row["head_box"] for row in rows], float).reshape(-1, 2, 2)
    names = np.empty((1, 16), object)
    names[0] = MAT_JOINTS
    buffer = BytesIO()
    savemat(
        buffer,
        {
            "dataset_joints": names,
            "jnt_missing": (~seen).astype(np.uint8).T,
            "pos_gt_src": joints.transpose(1, 2, 0),
            "headboxes_src": boxes.transpose(1, 2, 0),
        },
    )
    content = MAT_HEADER.ljust(HEADER_SIZE) + buffer.getvalue()[HEADER_SIZE:]
    path.write_bytes(content)
