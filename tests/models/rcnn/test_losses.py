"""Losses against values worked out by hand."""

import math

import pytest
import torch
from torchvision.models.detection.roi_heads import fastrcnn_loss, keypointrcnn_loss

from lib.codecs.roi_heatmap import encode_roi_cells
from lib.models.rcnn.losses import (
    box_head_losses,
    box_losses_by_image,
    keypoint_loss,
    keypoint_losses_by_image,
    objectness_loss,
    proposal_losses_by_image,
    regression_loss,
)

DELTAS = torch.tensor([[0.2, -0.4, 0.0, 1.0], [0.0, 0.0, 2.0, 0.1]])
TARGETS = torch.tensor([[0.0, 0.0, 0.0, 0.5], [0.0, 0.0, 0.0, 0.0]])


def test_objectness_is_divided_by_the_wanted_number_of_anchors():
    logits, labels = torch.tensor([0.0, 0.0, 2.0]), torch.tensor([1.0, 0.0, 1.0])
    wanted = (2 * math.log(2) + math.log(1 + math.exp(-2))) / 256
    assert objectness_loss(logits, labels, 256).item() == pytest.approx(wanted)


def test_regression_with_beta_zero_is_plain_l1():
    # 0.2 + 0.4 + 0.5 and 2.0 + 0.1
    assert regression_loss(DELTAS, TARGETS, 0.0, 10).item() == pytest.approx(3.2 / 10)


def test_regression_with_beta_half():
    # below 0.5: d^2 (0.5 d^2 / beta); from there d - 0.25
    wanted = 0.2**2 + 0.4**2 + (0.5 - 0.25) + (2.0 - 0.25) + 0.1**2
    assert regression_loss(DELTAS, TARGETS, 0.5, 4).item() == pytest.approx(wanted / 4)


def test_box_head_takes_deltas_of_the_right_class_and_positives_only():
    logits = torch.tensor([[0.0, 0.0], [1.0, 3.0], [2.0, -1.0]])
    deltas = torch.full((3, 8), 99.0)
    deltas[1, 4:] = DELTAS[0]
    labels = torch.tensor([0, 1, 0])
    targets = torch.full((3, 4), -99.0)
    targets[1] = TARGETS[0]
    classifier, box = box_head_losses(logits, deltas, labels, targets, 0.5)
    wanted = (math.log(2) + math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-3))) / 3
    assert classifier.item() == pytest.approx(wanted, rel=1e-5)
    assert box.item() == pytest.approx((0.04 + 0.16 + 0.25) / 3, rel=1e-5)


def test_box_head_equals_torchvisions_at_its_beta():
    torch.manual_seed(0)
    logits, deltas, targets = torch.randn(7, 2), torch.randn(7, 8), torch.randn(7, 4)
    labels = torch.tensor([0, 1, 1, 0, 0, 1, 0])
    theirs = fastrcnn_loss(logits, deltas, [labels], [targets])
    ours = box_head_losses(logits, deltas, labels, targets, 1 / 9)
    assert torch.allclose(torch.stack(ours), torch.stack(theirs))


def test_box_head_without_rois_is_zero_not_nan():
    empty = torch.zeros(0, 2, requires_grad=True)
    losses = box_head_losses(
        empty, torch.zeros(0, 8), torch.zeros(0, dtype=torch.long), torch.zeros(0, 4), 0.5
    )
    assert [loss.item() for loss in losses] == [0, 0]


def test_keypoint_normalisers():
    logits = torch.zeros(2, 3, 4, 4)
    logits[0, 0, 1, 2] = math.log(5)  # cell 6
    cells = torch.tensor([[6, 0, 15], [3, 3, 3]])
    valid = torch.tensor([[True, False, True], [False, True, False]])
    total = -math.log(5 / 20) + 2 * math.log(16)
    assert keypoint_loss(logits, cells, valid).item() == pytest.approx(total / 3, rel=1e-5)
    static = keypoint_loss(logits, cells, valid, 17 * 512 * 0.25)
    assert static.item() == pytest.approx(total / 2176, rel=1e-5)


def test_keypoint_loss_equals_torchvisions():
    torch.manual_seed(0)
    logits = torch.randn(4, 5, 56, 56)
    boxes = torch.tensor([[0.0, 0, 50, 80]] * 4)
    keypoints = torch.cat((torch.rand(4, 5, 2) * 70, torch.randint(0, 3, (4, 5, 1))), dim=2)
    theirs = keypointrcnn_loss(logits, [boxes], [keypoints], [torch.arange(4)])
    assert torch.allclose(keypoint_loss(logits, *encode_roi_cells(keypoints, boxes, 56)), theirs)


@pytest.mark.parametrize("count", [0, 2])
def test_without_valid_joints_the_loss_is_zero_with_gradients(count):
    logits = torch.randn(count, 3, 4, 4, requires_grad=True)
    cells = torch.zeros(count, 3, dtype=torch.long)
    loss = keypoint_loss(logits, cells, torch.zeros(count, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_losses_of_images_are_those_of_their_own_boxes():
    torch.manual_seed(0)
    counts = [3, 0, 4]
    logits, deltas, targets = torch.randn(7, 2), torch.randn(7, 8), torch.randn(7, 4)
    labels = torch.tensor([0, 1, 1, 0, 0, 0, 0])
    found = box_losses_by_image(logits, deltas, labels, targets, 0.5, counts)
    parts = zip(*(each.split(counts) for each in (logits, deltas, labels, targets)), strict=True)
    wanted = [sum(box_head_losses(*part, 0.5)) for part in parts]
    torch.testing.assert_close(found, torch.stack(wanted))
    assert found[1] == 0


@pytest.mark.parametrize("normaliser", [None, 11.0])
def test_losses_of_images_are_those_of_their_own_joints(normaliser):
    torch.manual_seed(0)
    counts = [2, 0, 3]
    logits, cells = torch.randn(5, 3, 4, 4), torch.randint(0, 16, (5, 3))
    valid = torch.rand(5, 3) > 0.4
    found = keypoint_losses_by_image(logits, cells, valid, counts, normaliser)
    parts = zip(*(each.split(counts) for each in (logits, cells, valid)), strict=True)
    wanted = [keypoint_loss(*part, normaliser) for part in parts]
    torch.testing.assert_close(found, torch.stack(wanted))


def test_losses_of_images_are_those_of_their_own_anchors():
    torch.manual_seed(0)
    logits, deltas = torch.randn(9), torch.randn(9, 4)
    deltas[8] = float("inf")  # of an anchor that does not count
    labels = [torch.tensor([1.0, 0, -1, 1]), torch.tensor([0.0, 1, 0, 0, -1])]
    targets = [torch.randn(4, 4), torch.randn(5, 4)]
    sampled = [torch.tensor([1, 1, 0, 1]) > 0, torch.tensor([1, 1, 0, 1, 0]) > 0]
    found = proposal_losses_by_image(
        logits, deltas, labels, targets, sampled, beta=0.3, normaliser=6
    )
    parts = zip(logits.split([4, 5]), deltas.split([4, 5]), labels, targets, sampled, strict=True)
    wanted = []
    for logit, delta, label, target, chosen in parts:
        positive = chosen & (label > 0)
        wanted.append(
            objectness_loss(logit[chosen], label[chosen], 6)
            + regression_loss(delta[positive], target[positive], 0.3, 6)
        )
    torch.testing.assert_close(found, torch.stack(wanted))
