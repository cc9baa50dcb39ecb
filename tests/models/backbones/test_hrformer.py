"""HRFormer's trunk: what differs from HRNet's."""

import pytest
import torch
from modelcfg import declared
from torch import nn

from lib.models.backbones.hrformer import hrformer
from lib.models.layers.drop_path import DropPath
from lib.models.layers.transformer import TransformerBlock


def small(**kwargs):
    torch.manual_seed(0)
    return hrformer(8, modules=(1, 1, 1), blocks=1, window=3, stage1_channels=4, **kwargs)


def test_drop_path_grows_with_depth_and_is_equal_side_by_side():
    with torch.device("meta"):
        network = hrformer(drop_path=0.1)
    rates = {}
    for name, module in network.named_modules():
        if isinstance(module, DropPath):
            where = name.split(".")  # backbone stage, module, 'branches', branch, block
            depth = where[0], int(where[1]), int(where[4])
            rates.setdefault(depth, []).append(module.rate)
    per_depth = [set(rates[key]) for key in sorted(rates)]
    assert all(len(values) == 1 for values in per_depth)
    flat = [values.pop() for values in per_depth]
    assert flat == pytest.approx([0.1 * i / 13 for i in range(14)])
    assert all(type(rate) is float for rate in flat)


def test_drop_path_is_off_in_evaluation():
    x = torch.randn(8, 6, 3, 3)
    block = TransformerBlock(6, 1, window=3, drop_path=0.9)
    assert torch.equal(block.eval()(x), block(x))
    assert not torch.equal(block.train()(x), block(x))


def test_maps_have_the_declared_sizes():
    network = small().eval()
    maps = network(torch.randn(2, 3, 64, 96))
    assert network.out_channels == (8, 16, 32, 64)
    assert [tuple(m.shape) for m in maps] == declared(network, 2, 64, 96)


def test_way_up_is_bilinear_and_way_down_is_depthwise():
    module = small().stage3[0]
    up, down = module.fuse_layers[0][2], module.fuse_layers[2][0]
    assert isinstance(up[2], nn.Upsample)
    assert (up[2].mode, up[2].align_corners, up[2].scale_factor) == ("bilinear", False, 4.0)
    kinds = [[type(layer).__name__ for layer in step] for step in down]
    step = ["Conv2d", "BatchNorm2d", "Conv2d", "BatchNorm2d"]
    assert kinds == [[*step, "ReLU"], step]
    assert [down[0][0].groups, down[0][2].out_channels, down[1][2].out_channels] == [8, 8, 32]


def test_heads_double_from_branch_to_branch():
    module = small(heads=2).stage4[0]
    assert [branch[0].attn.attn.heads for branch in module.branches] == [2, 4, 8, 16]


def test_bias_switch_changes_the_output_only():
    images = torch.randn(1, 3, 64, 64)
    on, off = small(rpe=True).eval(), small(rpe=False).eval()
    assert on.state_dict().keys() == off.state_dict().keys()
    off.load_state_dict(on.state_dict())
    assert (on(images)[0] - off(images)[0]).abs().max() > 1e-6
