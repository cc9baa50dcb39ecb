"""The improved model learns stick figures by heart."""

import cv2
import numpy as np
import pytest
import torch
from modelcfg import model_cfg

from lib.models import build_model

WIDTH, HEIGHT = 192, 160
# Joint -> (x, y) in a box of side 1, COCO's order.
FIGURE = np.array(
    [
        (0.5, 0.08), (0.54, 0.05), (0.46, 0.05), (0.6, 0.08), (0.4, 0.08),
        (0.68, 0.25), (0.32, 0.25), (0.82, 0.4), (0.18, 0.4), (0.9, 0.55), (0.1, 0.55),
        (0.6, 0.55), (0.4, 0.55), (0.65, 0.75), (0.35, 0.75), (0.7, 0.96), (0.3, 0.96),
    ],
    np.float32,
)  # fmt: skip
LIMBS = [(5, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (6, 12), (11, 12), (11, 13), (13, 15)]
LIMBS += [(12, 14), (14, 16), (0, 5), (0, 6)]


def figures(rng, count):
    """Return an image (3, H, W) with ``count`` figures side by side, and its target."""
    pixels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    boxes, keypoints = [], []
    for i in range(count):
        size = rng.uniform(60, WIDTH / count - 10), rng.uniform(90, 140)
        corner = WIDTH / count * i + 5, rng.uniform(5, HEIGHT - size[1] - 5)
        points = corner + (FIGURE + rng.uniform(-0.03, 0.03, FIGURE.shape)) * size
        colour = [int(c) for c in rng.integers(120, 255, 3)]
        for a, b in LIMBS:
            start, end = (tuple(int(v) for v in points[k]) for k in (a, b))
            cv2.line(pixels, start, end, colour, 4)
        boxes.append([*(points.min(0) - 3), *(points.max(0) + 3)])
        keypoints.append(np.concatenate([points + 0.5, np.full((17, 1), 2)], axis=1))
    target = {
        "boxes": torch.tensor(np.array(boxes), dtype=torch.float32),
        "labels": torch.ones(count, dtype=torch.long),
        "keypoints": torch.tensor(np.array(keypoints), dtype=torch.float32),
        "image_id": torch.tensor(0),
    }
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255, target


@pytest.mark.slow
def test_the_keypoint_loss_falls_to_half_in_sixty_steps():
    """From ln(56 * 56) = 8.05; no learning, or learning cells only by frequency, stays above 6."""
    torch.manual_seed(0)
    extra = {
        "BACKBONE": {"DEPTH": 18, "NORM": "BN", "TRAINABLE_LAYERS": 5},
        "FPN": {"OUT_CHANNELS": 64},
        "ROI": {"BATCH": 24, "FC_DIM": 128, "SAMPLING_RATIO": 2},
        "RPN": {"PRE_NMS_TRAIN": 200, "POST_NMS_TRAIN": 100},
        "KEYPOINT": {"DIM": 128},
        "INPUT": {"MIN_TRAIN": [160], "MIN_TEST": 160},
    }
    network = build_model(model_cfg("keypoint_rcnn", extra=extra)).train()
    rng = np.random.default_rng(0)
    data = [figures(rng, 1 + i % 2) for i in range(8)]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    history = []
    for step in range(60):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * min(1.0, (step + 1) / 20)
        images, targets = zip(*(data[(2 * step + i) % 8] for i in (0, 1)), strict=True)
        losses = network(list(images), list(targets))
        optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10)
        optimizer.step()
        history.append(losses["loss_keypoint"].item())
    assert history[0] > 7.5
    assert np.mean(history[-8:]) < 4
