"""TotalFusion: resampling, weights, mixing, and the traps of its published form."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lib.models.layers.total_fusion import AddUp, TotalFusion, glorot, init_fusions

CHANNELS = (5, 7, 11)


def maps(batch=2):
    generator = torch.Generator().manual_seed(3)
    sizes = [(16, 24), (8, 12), (4, 6)]
    return [
        torch.randn(batch, c, *size, generator=generator)
        for c, size in zip(CHANNELS, sizes, strict=True)
    ]


def norms(part):
    return [module for module in part.modules() if isinstance(module, nn.BatchNorm2d)]


def test_shapes_follow_the_inputs():
    fusion = TotalFusion(CHANNELS, (13, 8, 16)).eval()
    shapes = [tuple(y.shape) for y in fusion(maps())]
    assert shapes == [(2, 13, 16, 24), (2, 8, 8, 12), (2, 16, 4, 6)]


@pytest.mark.parametrize("level", [0, 1, 2])
def test_sum_equals_its_definition(level):
    add = AddUp(CHANNELS, level, 9).eval()
    drawn = torch.randn(add.weights.shape, generator=torch.Generator().manual_seed(1))
    add.weights.data.copy_(drawn)
    weights = drawn.clamp(min=0)
    total = 0
    for i, x in enumerate(maps()):
        if i < level:
            x = F.max_pool2d(x, 2 ** (level - i), 2 ** (level - i))
        x = add.proj[i](x).detach()
        if i > level:
            x = nn.Upsample(scale_factor=2 ** (i - level), mode="bilinear", align_corners=True)(x)
        total = total + weights[i] * x
    total = total / (weights.sum(dim=0) + 1e-5)
    wanted = total * total.sigmoid()
    torch.testing.assert_close(add(maps()).detach(), wanted, rtol=1e-5, atol=1e-6)


def test_enlarging_keeps_the_corners_and_a_negative_weight_leaves_a_map_out():
    add = AddUp((3, 3), 0, 3).eval()
    add.weights.data[0] = -1
    fine, coarse = torch.randn(1, 3, 8, 12), torch.randn(1, 3, 4, 6)
    output = add([fine, coarse]).detach()[..., ::7, ::11]
    wanted = F.silu(coarse[..., ::3, ::5])
    torch.testing.assert_close(output, wanted, rtol=1e-4, atol=1e-4)


def test_weights_start_equal_and_projections_are_left_out_where_widths_agree():
    add = AddUp((4, 6, 4), 1, 4)
    assert torch.equal(add.weights, torch.full((3, 4, 1, 1), 1 / 3))
    assert [type(p) for p in add.proj] == [nn.Identity, nn.Sequential, nn.Identity]


def test_batch_norm_constants_differ_between_mix_up_and_projections():
    fusion = TotalFusion(CHANNELS, (16, 16, 16))
    rest = [*norms(fusion.add), *norms(fusion.fix)]
    assert [(m.eps, m.momentum) for m in norms(fusion.mix)] == [(1e-5, 0.1)] * 9
    assert [(m.eps, m.momentum) for m in rest] == [(1e-3, 0.01)] * 12


@pytest.mark.parametrize(
    ("channels", "squeezed"),
    [(40, 10), (48, 12), (64, 16), (80, 20), (88, 22), (112, 28), (120, 30), (192, 48), (208, 52)],
)
def test_squeeze_is_a_quarter_of_the_channels(channels, squeezed):
    with torch.device("meta"):
        mix = TotalFusion((channels,), (channels,)).mix[0]
    assert tuple(mix.conv_pw.weight.shape) == (6 * channels, channels, 1, 1)
    assert tuple(mix.conv_dw.weight.shape) == (6 * channels, 1, 5, 5)
    assert tuple(mix.se.conv_reduce.weight.shape) == (squeezed, 6 * channels, 1, 1)


def test_drop_path_leaves_out_the_mixed_part_per_sample_though_it_has_no_skip():
    torch.manual_seed(0)
    fusion = TotalFusion((8,), (8,), drop_path=0.5).train()
    x = torch.randn(32, 8, 4, 4)
    parts = (fusion([x])[0] - x).detach().abs().amax(dim=(1, 2, 3))
    dropped = parts < 1e-6
    assert 8 <= dropped.sum() <= 24
    fusion.drop_path.drop_prob = 0.0
    kept = (fusion([x])[0] - x).detach().abs().amax(dim=(1, 2, 3))
    ratio = parts[~dropped] / kept[~dropped]
    torch.testing.assert_close(ratio, torch.full_like(ratio, 2.0), rtol=1e-3, atol=0)


def test_glorot_counts_a_depthwise_kernel_by_its_area():
    torch.manual_seed(0)
    fusion = TotalFusion((64,), (64,))
    init_fusions(fusion)
    mix = fusion.mix[0]
    assert mix.conv_dw.weight.abs().max().item() == pytest.approx((6 / 50) ** 0.5, rel=1e-2)
    assert mix.conv_pw.weight.abs().max().item() == pytest.approx((6 / 448) ** 0.5, rel=1e-2)
    assert not mix.se.conv_reduce.bias.any()


def test_projections_and_norms_keep_pytorchs_start():
    torch.manual_seed(0)
    fusion = TotalFusion((16, 16), (64, 64))
    init_fusions(fusion)
    assert fusion.fix[0][0].weight.abs().max().item() == pytest.approx(1 / 4, rel=1e-2)
    norm = nn.BatchNorm2d(3)
    glorot(norm)
    assert norm.weight.tolist() == [1, 1, 1]
