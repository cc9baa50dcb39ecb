"""Recipe keypoint_rcnn: published sizes and costs, torchvision's names, checked switches."""

import pytest
import timm
import torch
from modelcfg import model_cfg, same
from tinyrcnn import PLAIN, merged, target, tiny_rcnn
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import resnet18, resnet34, resnet50
from torchvision.models.detection import KeypointRCNN, keypointrcnn_resnet50_fpn
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor

from lib.models import build_model, complexity, load_pretrained, to_official
from lib.models.cost import table_figure
from lib.models.recipes.keypoint_rcnn_keys import TorchvisionNames
from lib.models.registry import RECIPES
from lib.utils.errors import ConfigError, WeightsError

HEAD = "roi_heads.keypoint_head."


def build(depth=50, improved=True, device="meta", **extra):
    if not improved:
        extra["KEYPOINT"] = PLAIN
    extra.setdefault("BACKBONE", {"DEPTH": depth})
    with torch.device(device):
        return build_model(model_cfg("keypoint_rcnn", extra=extra))


def count(parameters, trainable=False):
    return sum(p.numel() for p in parameters if p.requires_grad or not trainable)


def shapes(state):
    return {key: tuple(value.shape) for key, value in state.items()}


@pytest.mark.parametrize(
    ("depth", "improved", "total", "trainable", "head"),
    [
        (50, False, 59_137_258, 58_914_858, 17_698_816),
        (50, True, 66_758_890, 66_536_490, 25_320_448),
        (101, False, 78_077_162, 77_854_762, 17_698_816),
        (101, True, 85_698_794, 85_476_394, 25_320_448),
    ],
)
def test_published_parameter_counts(depth, improved, total, trainable, head):
    network = build(depth, improved)
    assert count(network.parameters()) == total
    assert count(network.parameters(), trainable=True) == trainable
    assert count(network.roi_heads.keypoint_head.parameters()) == head


@pytest.mark.parametrize(
    ("depth", "improved", "trunk", "ten", "hundred"),
    [
        (50, False, 215.53, 250.5, 565.1),
        (50, True, 215.53, 266.2, 722.5),
        (101, False, 295.08, 330.0, 644.6),
        (101, True, 295.08, 345.8, 802.1),
    ],
)
def test_published_costs(depth, improved, trunk, ten, hundred):
    network = build(depth, improved).eval()
    assert network.cost_size == (800, 1344)
    totals = []
    for rois in (0, None, 100):
        cost = complexity(network, network.cost_size, rois)
        totals.append(table_figure(cost, RECIPES["keypoint_rcnn"].table))
    assert totals[0] == pytest.approx(trunk, abs=0.005)
    assert totals[1] == pytest.approx(ten, abs=0.05)
    assert totals[2] == pytest.approx(hundred, abs=0.05)


def test_counted_cost_is_what_torch_executes():
    network = tiny_rcnn().eval()
    with FlopCounterMode(display=False) as counter:
        network.cost_forward(torch.zeros(1, 3, 96, 160), 3)
    cost = complexity(network, (96, 160), 3)
    assert 2 * (cost.macs + cost.attention_macs) == counter.get_total_flops()
    assert cost.attention_macs == 3 * (196 * 196 * 16 * 2 + 196 * 14 * 16 * 2)


def torchvision_state():
    with torch.device("meta"):
        network = keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    return {k: v for k, v in network.state_dict().items() if "num_batches_tracked" not in k}


def test_the_baseline_has_torchvisions_names_and_order():
    ours = build(improved=False).state_dict()
    assert list(ours) == list(torchvision_state())
    assert shapes(ours) == shapes(torchvision_state())
    assert len(ours) == 313


def test_a_coco_file_of_torchvision_fills_the_improved_model_but_for_its_head():
    network = build()
    ours = shapes(network.state_dict())
    assert len(ours) == 347
    theirs = torchvision_state()
    direct = {key for key, value in theirs.items() if ours.get(key) == tuple(value.shape)}
    assert len(direct) == 297
    mapped = network.key_map.from_official(theirs)
    fits = {key for key, value in mapped.items() if ours.get(key) == tuple(value.shape)}
    assert fits - direct == {f"{HEAD}conv{i}.{w}" for i in range(2, 9) for w in ("weight", "bias")}
    assert mapped[f"{HEAD}conv5.bias"] is theirs[f"{HEAD}8.bias"]
    assert set(mapped) - fits == {f"{HEAD}0.weight", f"{HEAD}0.bias"}  # 256 channels in
    gcm = {key for key in ours if ".gcm" in key}
    fresh = {f"{HEAD}{m}.{w}" for m in ("reduce", "conv1") for w in ("weight", "bias")}
    assert set(ours) - fits == gcm | fresh


def test_older_names_and_imagenet_files():
    names = TorchvisionNames()
    old = {"rpn.head.conv.weight": 1, "backbone.fpn.inner_blocks.2.bias": 2, "other": 3}
    assert names.from_official(old) == {
        "rpn.head.conv.0.0.weight": 1,
        "backbone.fpn.inner_blocks.2.0.bias": 2,
        "other": 3,
    }
    with torch.device("meta"):
        imagenet = resnet50(weights=None).state_dict()
    mapped = names.from_official(imagenet)
    body = {k for k in build().state_dict() if k.startswith("backbone.body.")}
    assert len(body) == 265
    assert body <= set(mapped)
    assert not any("fc" in key for key in mapped)


def test_starting_from_a_baseline_reports_every_tensor_that_did_not_fit(caplog):
    caplog.set_level("INFO")
    state = to_official(tiny_rcnn({"KEYPOINT": PLAIN}, seed=1))
    network = tiny_rcnn()
    report = load_pretrained(network, state)
    assert set(report.unexpected) == {f"{HEAD}0.weight", f"{HEAD}0.bias"}
    assert report.mismatched == []
    gcm = {name for name in network.state_dict() if ".gcm" in name}
    fresh = {f"{HEAD}{m}.{w}" for m in ("reduce", "conv1") for w in ("weight", "bias")}
    missing = {n for n in gcm | fresh if "num_batches_tracked" not in n}
    assert set(report.missing) == missing
    assert all(name in caplog.text for name in missing | set(report.unexpected))
    assert torch.equal(network.roi_heads.keypoint_head.conv2.weight, state[f"{HEAD}2.weight"])


def test_backbone_files_of_another_depth_are_refused():
    with pytest.raises(WeightsError, match=r"only \d+% of its tensors fit"):
        load_pretrained(tiny_rcnn(), resnet34(weights=None).state_dict())
    report = load_pretrained(tiny_rcnn(), resnet18(weights=None).state_dict())
    assert report.used == 1
    assert len(report.loaded) == 120


def test_files_of_timms_trunk_and_of_the_whole_load_with_its_pixels():
    changes = {"BACKBONE": {"TIMM": "resnet10t"}, "INPUT": {"STD": [0.3, 0.4, 0.5]}}
    network = tiny_rcnn(changes, seed=1)
    theirs = timm.create_model("resnet10t")  # with its classifier, which is left out
    report = load_pretrained(network, theirs.state_dict())
    assert torch.equal(network.backbone.body.trunk.conv1[0].weight, theirs.conv1[0].weight)
    assert all(name.startswith("fc.") for name in report.unexpected)
    other = tiny_rcnn(changes, seed=2)
    assert load_pretrained(other, to_official(network)).used == 1
    assert same(network, other)
    config = timm.get_pretrained_cfg("resnet10t")
    assert tuple(network.transform.image_mean) == config.mean
    assert tuple(network.transform.image_std) == (0.3, 0.4, 0.5)


@pytest.mark.parametrize("improved", [True, False])
def test_our_names_go_there_and_back(improved):
    network = build(improved=improved)
    state = network.state_dict()
    there = network.key_map.to_official(state)
    assert list(network.key_map.from_official(there)) == list(state)


def small_pair(options, **extra):
    """Return torchvision's network and our baseline with the same weights, switched to parity."""
    torch.manual_seed(0)
    theirs = KeypointRCNN(
        resnet_fpn_backbone(backbone_name="resnet18", weights=None, norm_layer=nn.BatchNorm2d),
        min_size=128,
        max_size=200,
        box_head=TwoMLPHead(256 * 49, 64),
        box_predictor=FastRCNNPredictor(64, 2),
        keypoint_head=KeypointRCNNHeads(256, (64, 64)),
        keypoint_predictor=KeypointRCNNPredictor(64, 17),
        **options,
    )
    parity = {
        "BACKBONE": {"DEPTH": 18, "NORM": "BN", "TRAINABLE_LAYERS": 5},
        "RPN": {"ROUND_ANCHORS": True},
        "ROI": {"ALIGNED": False, "SAMPLING_RATIO": 2, "FC_DIM": 64},
        "KEYPOINT": {**PLAIN, "DIM": 64, "CONVS": 2},
        "INPUT": {"MIN_TRAIN": [128], "MIN_TEST": 128, "MAX": 200},
    }
    ours = build(device="cpu", **merged(parity, extra))
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def test_the_baseline_equals_torchvisions_network():
    """Same weights, same images, parity switches on: the same people."""
    theirs, ours = small_pair(
        {"rpn_post_nms_top_n_test": 20, "box_score_thresh": 0.0},
        RPN={"POST_NMS_TEST": 20},
        TEST={"SCORE_THRESH": 0.0},
    )
    images = [torch.rand(3, 90, 120), torch.rand(3, 130, 77)]
    with torch.inference_mode():
        # One by one: torchvision pads images of a batch to one size, which moves people a little.
        alone = [theirs.eval()([image])[0] for image in images]
        for a, b in zip(ours.eval()(images), alone, strict=True):
            assert torch.allclose(a["boxes"], b["boxes"], atol=1e-3)
            assert torch.allclose(a["scores"], b["scores"], atol=1e-5)
            assert torch.allclose(a["keypoints"][..., :2], b["keypoints"][..., :2], atol=1e-3)
            assert torch.allclose(a["keypoints_scores"], b["keypoints_scores"], atol=1e-4)


def test_the_baselines_losses_equal_torchvisions():
    """With torchvision's beta, and everything sampled: no chance, and one more normaliser."""
    every = 100_000  # anchors, more than there are
    theirs, ours = small_pair(
        {
            "rpn_batch_size_per_image": every,
            "rpn_post_nms_top_n_train": 40,
            "box_batch_size_per_image": 1000,
        },
        RPN={"BATCH": every, "POST_NMS_TRAIN": 40, "SMOOTH_L1_BETA": 1 / 9},
        ROI={"BATCH": 1000, "BOX_BETA": 1 / 9},
    )
    images = [torch.rand(3, 90, 120), torch.rand(3, 130, 77)]
    targets = [target([[5, 5, 60, 80], [40, 10, 110, 85]], 17), target([[9, 20, 70, 125]], 17)]
    targets[0]["keypoints"][0, 3:9, 2] = 0
    for one in targets:
        one["keypoints"][..., :2] += 0.37  # not where two cells meet
    wanted, found = (
        {k: v.item() for k, v in n.train()(images, targets).items()} for n in (theirs, ours)
    )
    for name in ("loss_classifier", "loss_box_reg", "loss_keypoint"):
        assert found[name] == pytest.approx(wanted[name], rel=1e-4), name
    sampled = len(images) * every * found["loss_objectness"] / wanted["loss_objectness"]
    assert sampled == pytest.approx(round(sampled), abs=0.1)  # torchvision divides by those found
    boxes = len(images) * every * found["loss_rpn_box_reg"] / wanted["loss_rpn_box_reg"]
    assert boxes == pytest.approx(sampled, rel=1e-4)


def test_norms_anchors_and_betas_as_asked():
    network = build(BACKBONE={"NORM_EPS": 0.0}, RPN={"ROUND_ANCHORS": True})
    assert network.backbone.body.bn1.eps == 0
    assert network.rpn.anchor_generator.rounded
    assert network.rpn.anchor_generator.cell_anchors[0].device.type == "cpu"
    assert not network.backbone.body.layer1[0].conv1.weight.requires_grad
    assert network.backbone.body.layer2[0].conv1.weight.requires_grad
    network = build(BACKBONE={"NORM": "BN", "TRAINABLE_LAYERS": 5})
    assert all(p.requires_grad for p in network.parameters())
    network = build(RPN={"SMOOTH_L1_BETA": 0.3}, ROI={"BOX_BETA": 0.7})
    assert (network.rpn.smooth_l1_beta, network.roi_heads.options.box_beta) == (0.3, 0.7)


def test_proposals_number():
    network = tiny_rcnn({"RPN": {"POST_NMS_TEST": 7}}).eval()
    with torch.inference_mode():
        batch, _ = network.transform([torch.rand(3, 96, 128)])
        proposals, _ = network.rpn(batch, network.backbone(batch.tensors))
    assert len(proposals[0]) == 7


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"BACKBONE": {"DEPTH": 51}}, "BACKBONE.DEPTH must be one of 18, 34, 50"),
        ({"BACKBONE": {"NORM": "GN"}}, "FrozenBN, BN, got GN"),
        ({"BACKBONE": {"TRAINABLE_LAYERS": 6}}, "TRAINABLE_LAYERS"),
        ({"KEYPOINT": {"HEAD": "gmc"}}, "gcm, plain"),
        ({"KEYPOINT": {"LEVELS": ["1", "0"]}}, "LEVELS"),
        ({"KEYPOINT": {"LEVELS": []}}, "LEVELS"),
        ({"KEYPOINT": {"DIM": 510}}, "DIM 510 must be a multiple"),
        ({"KEYPOINT": {"LOSS_NORM": "mean"}}, "visible, static"),
        ({"TEST": {"DECODE": "slow"}}, "bicubic, fast"),
        ({"BACKBONE": {"TIMM": "resnet81"}}, "BACKBONE.TIMM: timm has no network 'resnet81'"),
        ({"BACKBONE": {"TIMM": "vit_tiny_patch16_224"}}, "one size only"),
        ({"BACKBONE": {"TIMM": "shvit_s1"}}, r"strides \(16, 32, 64\)"),
        ({"INPUT": {"MEAN": [0.5]}}, "INPUT: mean and std must have three entries"),
        ({"INPUT": {"MIN_TRAIN": []}}, "at least one size"),
    ],
)
def test_wrong_switches_name_the_key(extra, message):
    with pytest.raises(ConfigError, match=message):
        build_model(model_cfg("keypoint_rcnn", extra=extra))
