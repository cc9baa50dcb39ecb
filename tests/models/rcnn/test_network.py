"""Keypoint R-CNN as a whole: contract, bad input, batches against single images."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tinyrcnn import PLAIN, target, tiny_rcnn

from lib.models import fold_batch_norm
from lib.models.rcnn.network import mirror_images
from lib.models.rcnn.roi_heads import Mirror

NAMES = {"loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg", "loss_keypoint"}
BOX = [20.0, 10, 70, 90]


def image(height=96, width=128, seed=0):
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def eager(network, threshold=0.0):
    """Let an untrained network find people in eval mode."""
    network.eval()
    network.roi_heads.score_thresh = threshold
    return network


def train_losses(network, images, targets):
    torch.manual_seed(0)
    return network.train()(images, targets)


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


def test_detections_have_torchvisions_form_in_pixels_of_the_image():
    network = eager(tiny_rcnn())
    images = [image(48, 200), image(150, 40, 1)]
    with torch.inference_mode():
        found = network(images)
    for result, (height, width) in zip(found, ((48, 200), (150, 40)), strict=True):
        count = len(result["boxes"])
        assert 0 < count <= 100
        assert result["boxes"].shape == (count, 4)
        assert result["labels"].tolist() == [1] * count
        assert result["keypoints"].shape == (count, 5, 3)
        assert result["keypoints_scores"].shape == (count, 5)
        assert bool((result["boxes"] >= 0).all())
        limit = torch.tensor([width, height] * 2) * (1 + 1e-5)
        assert bool((result["boxes"] <= limit).all())
        probability = result["keypoints"][..., 2]
        assert bool(((probability > 0) & (probability <= 1)).all())


def test_boxes_in_the_result_are_not_the_enlarged_ones():
    network = eager(tiny_rcnn())
    with torch.inference_mode():
        found = network([image()])[0]["boxes"]
        network.roi_heads.options = network.roi_heads.options.__class__(enlarge=1.0)
        plain = network([image()])[0]["boxes"]
    assert torch.equal(found, plain)


def test_training_does_not_change_the_callers_targets():
    network = tiny_rcnn()
    given = target([BOX])
    before = {key: value.clone() for key, value in given.items()}
    train_losses(network, [image()], [given])
    assert all(torch.equal(given[key], before[key]) for key in before)


def test_a_batch_equals_single_images():
    network = eager(tiny_rcnn())
    images = [image(seed=seed) for seed in range(3)]
    with torch.inference_mode():
        together = network(images)
        alone = [network([one])[0] for one in images]
    for a, b in zip(together, alone, strict=True):
        assert len(a["boxes"]) == len(b["boxes"]) > 0
        for key in a:
            assert torch.allclose(a[key].float(), b[key].float(), atol=1e-4), key


@pytest.mark.parametrize(("height", "width"), [(1, 1), (20, 900), (97, 131), (400, 30)])
def test_images_of_odd_sizes(height, width):
    network = eager(tiny_rcnn())
    with torch.inference_mode():
        found = network([image(height, width)])[0]
    assert bool(found["keypoints"].isfinite().all())
    losses = train_losses(tiny_rcnn(), [image(height, width)], [target([[0, 0, width, height]])])
    assert all(loss.isfinite() for loss in losses.values())


def test_no_detection_above_the_threshold():
    network = eager(tiny_rcnn(), threshold=2.0)
    with torch.inference_mode():
        for flip_index in (None, torch.arange(5)):
            found = network([image(), image()], flip_index=flip_index)
            assert [tuple(value.shape) for value in found[1].values()] == [
                (0, 4),
                (0,),
                (0,),
                (0, 5, 3),
                (0, 5),
            ]


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


def test_flip_test_of_a_mirrored_image_gives_the_mirrored_joints():
    network = eager(tiny_rcnn())
    flip_index = torch.tensor([0, 2, 1, 4, 3])
    boxes = torch.tensor([[8.0, 6, 60, 90], [70, 20, 126, 80]])
    turned = torch.stack((128 - boxes[:, 2], boxes[:, 1], 128 - boxes[:, 0], boxes[:, 3]), dim=1)
    sizes = [(96, 128)]
    normal = image()[None]
    mirrored = mirror_images(normal, sizes)
    with torch.inference_mode():
        features, mirrored_features = network.backbone(normal), network.backbone(mirrored)
        find = network.roi_heads._keypoints
        here, peaks = find(features, [boxes], sizes, Mirror(mirrored_features, flip_index))
        there, back = find(mirrored_features, [turned], sizes, Mirror(features, flip_index))
    there = there[:, flip_index]
    assert torch.allclose(peaks, back[:, flip_index], atol=1e-4)
    assert torch.allclose(here[..., 1], there[..., 1], atol=1.01)
    assert torch.allclose(here[..., 0], 128 - there[..., 0], atol=1.01)


def test_flip_test_runs_from_images():
    network = eager(tiny_rcnn())
    with torch.inference_mode():
        plain = network([image(), image(60, 90)])
        merged = network([image(), image(60, 90)], flip_index=torch.tensor([0, 2, 1, 4, 3]))
    for a, b in zip(plain, merged, strict=True):
        assert torch.equal(a["boxes"], b["boxes"])
        assert not torch.equal(a["keypoints"], b["keypoints"])


def test_under_autocast_boxes_and_losses_stay_in_float32():
    network = tiny_rcnn().eval()
    network.roi_heads.score_thresh = 0.0
    seen = []
    network.rpn.register_forward_hook(lambda module, inputs, output: seen.append(output[0]))
    images = [image(96, 160)]
    with torch.no_grad():
        network(images)
        with torch.autocast("cpu", torch.bfloat16):
            network(images)
            losses = train_losses(network, images, [target([BOX])])
    plain, mixed = seen[0][0], seen[1][0]
    assert mixed.dtype == torch.float32
    # The same anchors win; their deltas carry the rounding of the features.
    nearest = torch.cdist(mixed[:10], plain).min(dim=1).values
    assert nearest.median() < 1
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    assert all(loss.isfinite() for loss in losses.values())


def test_with_synchronised_batch_norm_the_head_runs_without_rois_too(monkeypatch):
    """Other ranks wait for this one inside the norm; here plain batch-norm plays its part."""
    network = tiny_rcnn()
    monkeypatch.setattr(torch.nn, "SyncBatchNorm", torch.nn.BatchNorm2d)
    loss = train_losses(network, [image(), image()], [target([]), target([])])["loss_keypoint"]
    loss.backward()
    head = network.roi_heads.keypoint_head
    assert loss == 0
    assert head.gcm1.norm1.num_batches_tracked == 1
    assert all(p.grad is not None and not p.grad.any() for p in head.parameters())


@pytest.mark.parametrize("norm", ["BN", "FrozenBN"])
def test_folding_merges_the_norms_of_the_body_only(norm):
    network = tiny_rcnn({"BACKBONE": {"NORM": norm}}).eval()
    generator = torch.Generator().manual_seed(0)
    for name, buffer in network.named_buffers():
        if "running" in name:
            buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        before = network.cost_forward(images, 3)
        maps = network.backbone(images)
        assert fold_batch_norm(network) == 20
        folded = network.backbone(images)
        after = network.cost_forward(images, 3)
    assert all(torch.allclose(maps[k], folded[k], atol=1e-4) for k in maps)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(before, after, strict=True))
    assert isinstance(network.roi_heads.keypoint_head.gcm1.norm1, torch.nn.BatchNorm2d)


def test_mirroring_stays_left_of_the_padding():
    batch = torch.arange(8.0).expand(2, 3, 4, 8)
    mirrored = mirror_images(batch, [(4, 8), (4, 5)])
    assert mirrored[0, 0, 0].tolist() == [7, 6, 5, 4, 3, 2, 1, 0]
    assert mirrored[1, 0, 0].tolist() == [4, 3, 2, 1, 0, 5, 6, 7]


def test_clipping_and_fast_decoding():
    changes = {"TEST": {"CLIP": True, "DECODE": "fast"}}
    network = eager(tiny_rcnn(changes))
    with torch.inference_mode():
        points = network([image(80, 100)])[0]["keypoints"][..., :2]
        network.roi_heads.options = network.roi_heads.options.__class__(decode="fast", enlarge=1.3)
        free = network([image(80, 100)])[0]["keypoints"][..., :2]
    limit = torch.tensor([100.0, 80.0])
    assert bool(((free < 0) | (free > limit)).any())  # else this tests nothing
    assert torch.allclose(points, free.clamp(min=0).minimum(limit), atol=1e-4)


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
