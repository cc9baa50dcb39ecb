"""The multi-resolution skeleton: sizes, what comes out fused, hooks for extra maps."""

import pytest
import torch
from modelcfg import declared
from torch import nn

from lib.models.backbones.hrnet import HRNet, hrnet
from lib.models.backbones.multires import HRModule, Stage, Stem


def small(**kwargs):
    torch.manual_seed(0)
    stages = [Stage(1, (1, 2), (6, 10)), Stage(2, (1, 1, 1), (6, 10, 14))]
    return HRNet([*stages, Stage(1, (1,) * 4, (6, 10, 14, 18))], stem=Stem(8, "BASIC", 1, 8))


def test_four_maps_fine_to_coarse():
    network = small()
    maps = network(torch.rand(2, 3, 64, 96))
    assert [tuple(m.shape) for m in maps] == declared(network, 2, 64, 96)
    assert network.out_strides == (4, 8, 16, 32)


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="multiples of 32, got 64x100"):
        small()(torch.rand(1, 3, 64, 100))


def test_the_last_module_fuses_branch_0_only():
    network = small().eval()
    module = network.stage4[-1]
    assert [len(row) for row in module.fuse_layers] == [4]
    seen = {}
    module.branches[2].register_forward_hook(lambda *args: seen.update(x2=args[2]))
    maps = network(torch.rand(1, 3, 32, 64))
    assert maps[2] is seen["x2"]


def test_exchange_is_the_sum_of_all_paths():
    torch.manual_seed(1)
    module = hrnet(8, modules=(1, 1, 1), blocks=1).stage3[0].eval()
    assert isinstance(module, HRModule)
    maps = [torch.rand(1, 8 * 2**i, 16 // 2**i, 24 // 2**i) for i in range(3)]
    inner = [branch(x) for branch, x in zip(module.branches, maps, strict=True)]
    row = module.fuse_layers[1]
    wanted = (row[0](inner[0]) + inner[1] + row[2](inner[2])).relu()
    torch.testing.assert_close(module(maps)[1], wanted)
    # Nearest upsampling repeats cells: every 2x2 block of the way up is constant.
    up = row[2](inner[2])
    assert torch.equal(up[..., ::2, ::2], up[..., 1::2, 1::2])


class WithSide(HRNet):
    def side_maps(self, images):
        return images.mean()

    def inject(self, level, x, side):
        self.levels.append((level, tuple(x.shape[1:])))
        return x + side


def test_a_subclass_can_inject_maps():
    network = small()
    network.__class__ = WithSide
    network.levels = []
    network(torch.rand(1, 3, 32, 64))
    assert network.levels == [
        (0, (8, 8, 16)),
        (1, (10, 4, 8)),
        (2, (14, 2, 4)),
        (3, (18, 1, 2)),
    ]


def test_bottleneck_stages_and_every_parameter_learns():
    stages = [
        Stage(1, (1, 1), (8, 16)),
        Stage(1, (1,) * 3, (8, 16, 24)),
        Stage(1, (1,) * 4, (8, 16, 24, 32)),
    ]
    network = HRNet(
        stages, blocks=("BOTTLENECK", "BASIC", "BOTTLENECK"), stem=Stem(8, "BASIC", 1, 8)
    )
    assert network.stage2[0].branches[1][0].conv2.weight.shape == (4, 4, 3, 3)
    head = nn.Conv2d(8, 1, 1)
    head(network(torch.rand(2, 3, 64, 64))[0]).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())
