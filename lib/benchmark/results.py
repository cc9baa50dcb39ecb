"""Stages after the network: decoding, grouping by tags, suppression of duplicates, scoring."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from lib.benchmark.inputs import blob_maps, many_poses, random_crops, scored_dataset
from lib.benchmark.textbook import grouping as plain_grouping
from lib.benchmark.textbook import heatmaps as plain_heatmaps
from lib.benchmark.textbook import oks as plain_oks
from lib.benchmark.textbook.scenes import scene
from lib.benchmark.timing import Stage
from lib.codecs.grouping import GroupingOptions, group
from lib.evaluation import evaluate_coco, nms_by_image
from lib.structures.skeleton import load_skeleton
from lib.tasks.topdown import TopDownTask

COCO = load_skeleton("coco")


def decode(task: TopDownTask, count: int, device: torch.device) -> Stage:
    """Heatmaps to joints in image pixels: argmax, quarter step, crop to image."""
    joints, height, width = task.codec.output_shapes(task.num_joints)["heatmaps"]
    maps = blob_maps(count, joints, (width, height))
    crops = random_crops(count)
    heatmaps, regions = torch.from_numpy(maps).to(device), torch.from_numpy(crops).to(device)

    def ours() -> tuple[np.ndarray, np.ndarray]:
        keypoints, scores = task.codec.decode_to_image(heatmaps, regions)
        return keypoints.cpu().numpy(), scores.cpu().numpy()

    def check(found: Any, wanted: Any) -> None:
        np.testing.assert_allclose(found[0], wanted[0], atol=2e-3)  # float32 against float64
        np.testing.assert_array_equal(found[1], wanted[1])

    return Stage(ours, lambda: plain_heatmaps.lineage_decode(maps, crops), check, count, "person")


def group_people(count: int, cells: int, device: torch.device) -> Stage:
    """Square heatmaps and tags with ``cells`` to a side to people, ``count`` images of five."""
    options = GroupingOptions(COCO.grouping_order)
    scenes = [scene(seed, people=5, size=(cells, cells)) for seed in range(count)]
    there = [(heat.to(device), tags.to(device)) for heat, tags in scenes]

    def check(found: Any, wanted: Any) -> None:
        for ours, plain in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(ours[0], plain[0])
            np.testing.assert_array_equal(ours[1], plain[1])

    return Stage(
        lambda: [group(*maps, options) for maps in there],
        lambda: [plain_grouping.group(*maps, options) for maps in scenes],
        check,
        count,
        "image",
    )


def suppress(images: int) -> Stage:
    """OKS-NMS of 5 to 25 poses per image."""
    poses = (*many_poses(images, COCO.num_joints), np.asarray(COCO.sigmas), 0.9)
    return Stage(
        lambda: nms_by_image(*poses),
        lambda: plain_oks.nms_by_image(*poses),
        np.testing.assert_array_equal,
        images,
        "image",
    )


def score(dataset: dict[str, Any], images: int) -> Stage:
    """COCO scoring; the textbook is pycocotools."""
    truth, rows = scored_dataset(dataset, images)

    def check(found: dict[str, float], wanted: dict[str, float]) -> None:
        np.testing.assert_allclose(list(found.values()), list(wanted.values()), atol=1e-9)

    return Stage(
        lambda: evaluate_coco(truth, rows, evaluator="own"),
        lambda: evaluate_coco(truth, rows, evaluator="pycocotools"),
        check,
        images,
        "image",
    )
