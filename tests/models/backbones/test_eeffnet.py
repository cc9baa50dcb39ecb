"""EfficientNet with stem stride 1, and EEffNet's branches."""

import pytest
import torch
from modelcfg import declared

from lib.models.backbones.eeffnet import EEffNet, EffNet


def on_meta(kind, *args):
    with torch.device("meta"):
        return kind(*args)


def count(part):
    return sum(p.numel() for p in part.parameters())


@pytest.mark.parametrize(
    ("kind", "variant", "channels", "params"),
    [
        (EffNet, "tf_efficientnet_b0", (40, 112, 320), 3_595_388),
        (EffNet, "tf_efficientnet_b2", (48, 120, 352), 7_202_562),
        (EEffNet, "tf_efficientnet_b0", (40, 112, 320), 8_221_894),
        (EEffNet, "tf_efficientnet_b2", (48, 120, 352), 13_384_548),
    ],
)
def test_published_sizes(kind, variant, channels, params):
    network = on_meta(kind, variant)
    assert count(network) == params
    assert network.out_channels == channels
    outputs = network.eval()(torch.empty(2, 3, 64, 96, device="meta"))
    assert [tuple(x.shape) for x in outputs] == declared(network, 2, 64, 96)


@pytest.mark.parametrize(
    ("stage", "branches", "trunk", "fusion"),
    [
        ("3", (93_870,), 242_930, 148_750),
        ("4", (93_870,), 543_148, 249_430),
        ("5", (125_160, 834_288), 2_026_348, 897_550),
        ("6", (31_290, 208_572), 717_232, 1_943_726),
    ],
)
def test_each_stage_has_its_published_size(stage, branches, trunk, fusion):
    network = on_meta(EEffNet, "tf_efficientnet_b0")
    assert tuple(count(branch) for branch in network.extra[stage]) == branches
    assert count(network.blocks[int(stage)]) == trunk
    assert count(network.fuse[stage]) == fusion


def test_branches_are_independent_copies_of_the_tapped_block():
    network = EEffNet("tf_efficientnet_b0")
    model = network.blocks[2][-1].conv_dw.weight
    copies = [block.conv_dw.weight for block in network.extra["3"][0]]
    assert len(copies) == len(network.blocks[3])
    assert all(torch.equal(copy, model) for copy in copies)
    assert len({copy.data_ptr() for copy in (*copies, model)}) == len(copies) + 1


def test_drop_path_grows_along_the_trunk_and_is_shared_with_branches_and_fusions():
    network = on_meta(EEffNet, "tf_efficientnet_b0", 0.2)
    rates = [getattr(b.drop_path, "drop_prob", 0.0) for stage in network.blocks for b in stage]
    assert rates == pytest.approx([0.2 * n / 16 for n in range(16)])
    for stage, branches in network.extra.items():
        trunk = [block.drop_path.drop_prob for block in network.blocks[int(stage)]]
        assert network.fuse[stage].drop_path.drop_prob == trunk[-1]
        for branch in branches:
            assert [block.drop_path.drop_prob for block in branch] == trunk


def test_batch_norm_of_trunk_and_branches():
    network = on_meta(EEffNet, "tf_efficientnet_b0")
    for part in (network.bn1, network.blocks[6], network.extra["6"]):
        norms = [m for m in part.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        assert {(m.eps, m.momentum) for m in norms} == {(1e-3, 0.1)}


@pytest.mark.parametrize("kind", [EffNet, EEffNet])
def test_a_size_that_cannot_be_halved_is_refused(kind):
    network = on_meta(kind)
    with pytest.raises(ValueError, match="multiples of 16 pixels, got 200 x 256"):
        network(torch.empty(1, 3, 256, 200, device="meta"))
