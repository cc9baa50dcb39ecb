"""People as Keypoint R-CNN gives them -> poses on the host."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lib.datasets.detection import HALF_PIXEL
from lib.structures.geometry import xyxy_to_xywh
from lib.structures.results import Poses
from lib.tasks.transfer import HostCopy

Found = list[dict[str, Tensor]]  # per image boxes, scores, keypoints
Table = tuple[HostCopy, list[int]]  # (N, 5 + 3 K) boxes, scores, joints; people per image


def as_table(found: Found) -> Table:
    """Put the people of some images, at least one, on their way to the host: one transfer."""
    parts = [
        torch.cat((f["boxes"], f["scores"][:, None], f["keypoints"].flatten(1)), dim=1)
        for f in found
    ]
    return HostCopy(torch.cat(parts).float()), [len(part) for part in parts]


def join_tables(
    tables: Sequence[Table], image_ids: np.ndarray, rows: np.ndarray, num_joints: int
) -> Poses:
    """Wait for the people of B images; joints lose the half pixel, see ``datasets.detection``.

    Args:
        tables: what `as_table` returned, the B images in order.
        image_ids: (B,) ids of the images.
        rows: (B,) numbers of the images in the split.
        num_joints: K.
    """
    if not tables:
        return Poses.empty(num_joints)
    counts = [count for _, own in tables for count in own]
    table = np.concatenate([copy.numpy() for copy, _ in tables])
    boxes, joints = table[:, :4], table[:, 5:].reshape(len(table), num_joints, 3)
    sides = xyxy_to_xywh(boxes)[:, 2:]
    return Poses(
        image_ids=np.repeat(image_ids, counts),
        keypoints=joints[..., :2] - np.float32(HALF_PIXEL),
        keypoint_scores=joints[..., 2],
        scores=table[:, 4],
        boxes=boxes,
        indices=np.repeat(rows, counts),
        crops=np.concatenate([boxes[:, :2] + sides / 2, sides], axis=1),
    )
