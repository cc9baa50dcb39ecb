"""The trunk: which parts train, where the stride is, what comes out."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from torchvision.ops import FrozenBatchNorm2d

from lib.models.rcnn.trunk import TimmPyramid, resnet_fpn


def build(depth=18, **options):
    with torch.device("meta"):
        return resnet_fpn(depth, **options)


@pytest.mark.parametrize(
    ("layers", "frozen"),
    [
        (0, {"conv1", "bn1", "layer1", "layer2", "layer3", "layer4"}),
        (3, {"conv1", "bn1", "layer1"}),
        (4, {"conv1", "bn1"}),
        (5, set()),
    ],
)
def test_stages_thaw_from_the_last(layers, frozen):
    body = build(norm="BN", trainable_layers=layers).body
    found = {n.split(".")[0] for n, p in body.named_parameters() if not p.requires_grad}
    assert found == frozen


def test_norms():
    frozen = build(norm_eps=0.0).body.bn1
    assert isinstance(frozen, FrozenBatchNorm2d)
    assert frozen.eps == 0
    assert isinstance(build(norm="BN").body.bn1, torch.nn.BatchNorm2d)
    with pytest.raises(ValueError, match=r"0\.\.5, got 6"):
        build(trainable_layers=6)


def test_maps_of_all_levels_for_odd_sizes():
    maps = build(out_channels=24)(torch.empty(2, 3, 160, 224, device="meta"))
    shapes = {name: tuple(value.shape) for name, value in maps.items()}
    assert shapes == {
        "0": (2, 24, 40, 56),
        "1": (2, 24, 20, 28),
        "2": (2, 24, 10, 14),
        "3": (2, 24, 5, 7),
        "pool": (2, 24, 3, 4),
    }


def test_a_trunk_of_timm_gives_the_same_maps():
    with torch.device("meta"):
        network = TimmPyramid("tf_efficientnet_lite0", out_channels=24)
    maps = network(torch.empty(2, 3, 160, 224, device="meta"))
    wanted = build(out_channels=24)(torch.empty(2, 3, 160, 224, device="meta"))
    assert list(maps) == list(wanted)
    assert [x.shape for x in maps.values()] == [x.shape for x in wanted.values()]


def test_frozen_norms_of_a_trunk_of_timm_stay_while_it_trains():
    network = TimmPyramid("resnet10t", freeze_bn=True, out_channels=8).train()
    before = {n: b.clone() for n, b in network.body.named_buffers()}
    network(torch.rand(1, 3, 64, 96))
    assert all(torch.equal(b, before[n]) for n, b in network.body.named_buffers())
    assert not network.body.trunk.layer1[0].bn1.weight.requires_grad
    assert network.fpn.training


@pytest.mark.parametrize(("first", "cost"), [(False, 87.58), (True, 82.63)])
def test_stride_in_the_first_convolution_costs_less(first, cost):
    body = build(50, stride_in_1x1=first).body.eval()
    with FlopCounterMode(display=False) as counter:
        maps = body(torch.empty(1, 3, 800, 1344, device="meta"))
    assert maps["3"].shape == (1, 2048, 25, 42)
    assert counter.get_total_flops() / 2e9 == pytest.approx(cost, abs=0.005)
