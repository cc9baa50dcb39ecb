"""Keypoint R-CNN as a whole: contract, bad input, batches against single images."""

import pytest
import torch
from tinyrcnn import target, tiny_rcnn
from toys.rcnn_inputs import BOX, image, train_losses

from lib.models import fold_batch_norm
from lib.models.rcnn.network import mirror_images
from lib.models.rcnn.roi_heads import Mirror


def eager(network, threshold=0.0):
    """Let an untrained network find people in eval mode."""
    network.eval()
    network.roi_heads.score_thresh = threshold
    return network


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


@pytest.mark.parametrize("flip", [None, torch.tensor([0, 2, 1, 4, 3])])
def test_a_batch_equals_single_images_of_any_sizes(flip):
    """Those of a size share a pass; nobody is padded for the sake of another."""
    network, passes = eager(tiny_rcnn()), []
    network.backbone.register_forward_pre_hook(lambda _, given: passes.append(given[0].shape[0]))
    sizes = [(60, 90), (200, 97), (61, 90), (90, 60), (60, 90)]
    images = [image(*size, seed) for seed, size in enumerate(sizes)]
    with torch.inference_mode():
        together = network(images, flip_index=flip)
        assert sum(passes) == len(images) * (1 if flip is None else 2)
        assert max(passes) == 3
        alone = [network([one], flip_index=flip)[0] for one in images]
    for a, b in zip(together, alone, strict=True):
        assert len(a["boxes"]) == len(b["boxes"]) > 0
        for key in a:
            assert torch.allclose(a[key].float(), b[key].float(), atol=1e-3), key


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
