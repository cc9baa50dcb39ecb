"""Anchors and losses of the proposal network."""

import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from lib.models.rcnn.rpn import ANCHOR_RATIOS, ANCHOR_SIZES, KeypointRPN, PyramidAnchors


def generate(anchors, height, width, grids, dtype=torch.float32):
    images = ImageList(torch.zeros(1, 3, height, width), [(height, width)])
    maps = [torch.zeros(1, 1, *grid, dtype=dtype) for grid in grids]
    return anchors(images, maps)[0]


def torchvisions():
    return AnchorGenerator(tuple((s,) for s in ANCHOR_SIZES), (ANCHOR_RATIOS,) * 5)


SMALL = [(16, 24), (8, 12), (4, 6), (2, 3), (1, 2)]


def test_anchors_are_not_rounded():
    exact = generate(PyramidAnchors(), 64, 96, SMALL)
    rounded = generate(torchvisions(), 64, 96, SMALL)
    wide = torch.tensor([-22.627417, -11.313708, 22.627417, 11.313708])
    assert torch.allclose(exact[0], wide)
    assert rounded[0].tolist() == [-23, -11, 23, 11]
    difference = (exact - rounded).abs()[:-6]  # the top level's stride differs
    assert difference.max() <= 0.5


def test_strides_are_exact_on_odd_maps():
    grids = [(200, 336), (100, 168), (50, 84), (25, 42), (13, 21)]
    exact = generate(PyramidAnchors(), 800, 1344, grids)
    rounded = generate(torchvisions(), 800, 1344, grids)
    last = (exact[-1, 1] + exact[-1, 3]) / 2
    assert last.item() == pytest.approx(12 * 64)
    assert ((rounded[-1, 1] + rounded[-1, 3]) / 2).item() == 12 * 61


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_anchors_equal_torchvisions_on_request_whatever_the_features_are(dtype):
    grids = [(200, 336), (100, 168), (50, 84), (25, 42), (13, 21)]
    anchors = PyramidAnchors(rounded=True)
    wanted = generate(torchvisions(), 800, 1344, grids)
    for _ in range(2):  # torchvision's generator would have lost precision for good
        assert torch.equal(generate(anchors, 800, 1344, grids, dtype), wanted)


def network(beta=0.0, batch=4):
    return KeypointRPN(
        None,
        None,
        fg_iou_thresh=0.7,
        bg_iou_thresh=0.3,
        batch_size_per_image=batch,
        positive_fraction=0.5,
        pre_nms_top_n={"training": 9, "testing": 9},
        post_nms_top_n={"training": 9, "testing": 9},
        nms_thresh=0.7,
        smooth_l1_beta=beta,
    )


@pytest.mark.parametrize(("beta", "box"), [(0.0, 0.6 + 1.0), (0.5, 0.36 + 0.75)])
def test_losses_of_a_toy_batch(beta, box):
    """Two images, one positive each; the second offers one negative where two were wanted."""
    labels = [torch.tensor([1.0, -1, 0, 0, 0]), torch.tensor([1.0, -1, -1, 0, -1])]
    objectness = torch.zeros(10, 1)
    deltas = torch.zeros(10, 4)
    deltas[0, 0], deltas[5, 3], deltas[1] = 0.6 if beta == 0 else 0.3, 1.0, 50.0
    if beta:  # 0.3 is quadratic: 0.09 / (2 * 0.5) = 0.09; 1.0 is linear: 0.75
        box = 0.09 + 0.75
    targets = [torch.zeros(5, 4), torch.zeros(5, 4)]
    found, regression = network(beta).compute_loss(objectness, deltas, labels, targets)
    sampled = 4 + 2
    assert found.item() == pytest.approx(sampled * 0.693147 / 8, rel=1e-5)
    assert regression.item() == pytest.approx(box / 8, rel=1e-5)


def test_no_positive_gives_a_zero_box_loss():
    labels = [torch.tensor([0.0, 0, -1])]
    deltas = torch.ones(3, 4, requires_grad=True)
    _, regression = network().compute_loss(torch.zeros(3, 1), deltas, labels, [torch.zeros(3, 4)])
    regression.backward()
    assert regression.item() == 0
    assert not deltas.grad.any()
