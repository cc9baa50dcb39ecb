import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tinyrcnn import PLAIN, target, tiny_rcnn
from toys.rcnn_inputs import BOX, image, train_losses

NAMES = {"loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg", "loss_keypoint"}


@pytest.mark.parametrize("changes", [{}, {"KEYPOINT": PLAIN}], ids=["improved", "baseline"])
def test_training_gives_five_finite_losses_and_gradients_for_all(changes):
    network = tiny_rcnn(changes)
    losses = train_losses(
        network, [image(), image(70, 50, 1)], [target([BOX]), target([[5, 5, 40, 60]])]
    )
    assert set(losses) == NAMES
    assert network.image_losses.shape == (2,)
    assert all(loss.isfinite() and loss.ndim == 0 for loss in losses.values())
    assert math.log(56 * 56) - 0.5 < losses["loss_keypoint"] < 9.5
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    "changes",
    [{}, {"KEYPOINT": {"LOSS_NORM": "static", "LOSS_WEIGHT": 4.0}}],
    ids=["visible", "static"],
)
def test_an_image_alone_loses_what_its_batch_does(changes):
    network = tiny_rcnn(changes)
    losses = train_losses(network, [image()], [target([BOX, [3, 2, 50, 60]])])
    torch.testing.assert_close(network.image_losses, sum(losses.values()).detach()[None])
    nobody = train_losses(network, [image()], [target([])])
    torch.testing.assert_close(network.image_losses, sum(nobody.values()).detach()[None])


def test_training_does_not_change_the_callers_targets():
    network = tiny_rcnn()
    given = target([BOX])
    before = {key: value.clone() for key, value in given.items()}
    train_losses(network, [image()], [given])
    assert all(torch.equal(given[key], before[key]) for key in before)


@pytest.mark.parametrize(
    ("people", "visibility"),
    [
        ([], 2),  # nobody
        ([BOX], 0),  # no joint labelled
    ],
)
def test_without_joints_the_keypoint_loss_is_zero(people, visibility):
    network = tiny_rcnn()
    losses = train_losses(network, [image()], [target(people, visibility=visibility)])
    assert losses["loss_keypoint"] == 0
    if not people:
        assert losses["loss_box_reg"] == 0
        assert losses["loss_rpn_box_reg"] == 0
    sum(losses.values()).backward()
    gradients = [p.grad for p in network.parameters() if p.requires_grad]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert network.roi_heads.skipped_steps == 1
    assert network.roi_heads.keypoint_head.gcm1.norm1.num_batches_tracked == 0


def test_joints_outside_the_box_are_ignored_and_the_others_trained():
    given = target([BOX])
    given["keypoints"][0, :3, :2] = torch.tensor([500.0, 500.0])
    assert train_losses(tiny_rcnn(), [image()], [given])["loss_keypoint"] > 0
    given["keypoints"][0, :, :2] = -50.0
    assert train_losses(tiny_rcnn(), [image()], [given])["loss_keypoint"] == 0


def test_the_filter_of_boxes_without_joints_can_be_switched_off():
    network = tiny_rcnn({"KEYPOINT": {"FILTER_NO_VISIBLE": False}})
    losses = train_losses(network, [image()], [target([BOX], visibility=0)])
    assert losses["loss_keypoint"] == 0
    assert network.roi_heads.skipped_steps == 0  # the head ran


def test_static_normaliser_and_weight():
    given = [target([BOX])]
    by_visible = train_losses(tiny_rcnn(), [image()], given)["loss_keypoint"]
    changes = {"KEYPOINT": {"LOSS_NORM": "static", "LOSS_WEIGHT": 4.0}}
    static = train_losses(tiny_rcnn(changes), [image()], given)["loss_keypoint"]
    pairs = static / by_visible * (5 * 24 * 0.25) / 4  # how many joints were valid
    assert pairs.item() == pytest.approx(round(pairs.item()), abs=1e-3)
    assert 5 <= round(pairs.item()) <= 30


def test_a_box_of_the_whole_image():
    losses = train_losses(tiny_rcnn(), [image()], [target([[0, 0, 128, 96]])])
    assert losses["loss_keypoint"] > 0


def broken(**changes):
    out = target([BOX], image_id=42)
    for key, value in changes.items():
        if value is None:
            del out[key]
        else:
            out[key] = value
    return out


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (broken(boxes=torch.tensor([[10.0, 10, 10, 50]])), ValueError, "image 42"),
        (broken(boxes=torch.tensor([[30.0, 10, 20, 50]])), ValueError, "x1 < x2"),
        (broken(boxes=torch.tensor([[0.0, 0, math.nan, 50]])), ValueError, "nan"),
        (broken(boxes=torch.tensor([[0.0, 0, math.inf, 50]])), ValueError, "finite corners.*inf"),
        (broken(keypoints=None), ValueError, "keypoints required"),
        (broken(boxes=None), ValueError, "boxes required"),
        (broken(keypoints=torch.zeros(1, 4, 3)), ValueError, r"\(1, 5, 3\).*\(1, 4, 3\)"),
        (broken(labels=torch.tensor([2])), ValueError, "1..1"),
        (broken(labels=torch.tensor([0])), ValueError, "labels"),
        (broken(labels=torch.tensor([1.0])), TypeError, "int64"),
        (broken(keypoints=torch.zeros(1, 5, 3).double()), TypeError, "float32"),
    ],
)
def test_targets_that_cannot_be_trained_on(bad, error, message):
    with pytest.raises(error, match=message):
        train_losses(tiny_rcnn(), [image(), image()], [target([BOX]), bad])


def test_missing_targets_and_uint8_images():
    with pytest.raises(ValueError, match="target per image"):
        tiny_rcnn().train()([image()])
    with pytest.raises(TypeError, match="uint8"):
        tiny_rcnn().eval()([torch.zeros(3, 96, 96, dtype=torch.uint8)])


DDP = """
import sys, torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from tinyrcnn import target, tiny_rcnn

torch.set_num_threads(1)
rank = int(sys.argv[1])
store = distributed.FileStore(sys.argv[2], 2)
distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
network = DistributedDataParallel(tiny_rcnn().train())
people = [[20.0, 10, 70, 90]] if rank == 0 else []
for _ in range(2):
    losses = network([torch.rand(3, 96, 128)], [target(people)])
    assert (losses["loss_keypoint"] > 0) == (rank == 0)
    sum(losses.values()).backward()
total = sum(p.grad.abs().sum() for p in network.module.roi_heads.keypoint_head.parameters())
both = [torch.zeros(1), torch.zeros(1)]
distributed.all_gather(both, total.reshape(1))
assert both[0] == both[1] > 0, both
distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_a_rank_without_keypoint_rois_does_not_stop_the_others(tmp_path):
    tests = Path(__file__).parent.parent.parent
    path = os.pathsep.join([str(tests.parent), str(tests)])
    command = [sys.executable, "-c", DDP]
    ranks = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "store")],
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in ranks:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
