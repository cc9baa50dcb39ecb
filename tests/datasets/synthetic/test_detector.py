import numpy as np
import torch
from torchvision.ops import box_iou

from lib.datasets.synthetic.detector import detect
from lib.datasets.synthetic.scene import render_scene, scene_rng
from lib.datasets.synthetic.truth import find_truth
from lib.structures.geometry import xywh_to_xyxy


def detections(count=60):
    for index in range(count):
        rng = scene_rng(1, "val", index)
        scene = render_scene(rng, (192, 144), (1, 4))
        truths = find_truth(scene)
        yield scene, truths, detect(rng, scene, truths, index)


def test_it_finds_most_misses_some_and_sees_ghosts():
    found = missed = ghosts = 0
    for _, truths, boxes in detections():
        true = xywh_to_xyxy(np.array([truth.box for truth in truths], float).reshape(-1, 4))
        seen = xywh_to_xyxy(np.array([box["bbox"] for box in boxes], float).reshape(-1, 4))
        overlap = box_iou(torch.from_numpy(true), torch.from_numpy(seen)).numpy()
        best = overlap.max(axis=1, initial=0.0)
        found += int((best > 0.5).sum())
        missed += int((best <= 0.5).sum())
        ghosts += int((overlap.max(axis=0, initial=0.0) < 0.3).sum())
    assert found > 3 * missed > 0
    assert ghosts > 20


def test_boxes_are_inside_the_image_and_sorted_by_score():
    for scene, _, boxes in detections(20):
        height, width = scene.labels.shape
        scores = [box["score"] for box in boxes]
        assert scores == sorted(scores, reverse=True)
        for box in boxes:
            assert box.keys() == {"image_id", "category_id", "bbox", "score"}
            x, y, w, h = box["bbox"]
            assert x >= 0
            assert y >= 0
            assert w >= 1
            assert h >= 1
            assert x + w <= width + 0.01
            assert y + h <= height + 0.01
            assert 0 < box["score"] < 1
