"""CSPNeXt: published widths and blocks, and what its parts compute."""

import pytest
import torch
import torch.nn.functional as F

from lib.models.backbones.cspnext import SPP, ChannelAttention, ConvUnit, CSPLayer, CSPNeXt


@pytest.mark.parametrize(
    ("factors", "widths", "blocks", "count"),
    [
        ((0.167, 0.375), (48, 96, 192, 384), (1, 1, 1, 1), 2348700),
        ((0.33, 0.5), (64, 128, 256, 512), (1, 2, 2, 1), 4378320),
        ((0.67, 0.75), (96, 192, 384, 768), (2, 4, 4, 2), 12279432),
        ((1.0, 1.0), (128, 256, 512, 1024), (3, 6, 6, 3), 26138912),
    ],
)
def test_published_sizes(factors, widths, blocks, count):
    with torch.device("meta"):
        network = CSPNeXt(*factors)
        maps = network(torch.zeros(2, 3, 64, 96))
    assert network.out_channels == widths
    assert [x.shape for x in maps] == [
        (2, width, 64 // stride, 96 // stride)
        for width, stride in zip(widths, (4, 8, 16, 32), strict=True)
    ]
    layers = [m for m in network.modules() if isinstance(m, CSPLayer)]
    assert tuple(len(layer.blocks) for layer in layers) == blocks
    assert [layer.blocks[0].identity for layer in layers] == [True, True, True, False]
    assert sum(p.numel() for p in network.parameters()) == count


def test_csp_layer_joins_the_blocks_before_the_bypass():
    layer = CSPLayer(6, 2, identity=True).eval()
    x = torch.randn(2, 6, 5, 7)
    main = layer.main_conv(x)
    for block in layer.blocks:
        main = main + block.conv2(block.conv1(main))
    joined = torch.cat([main, layer.short_conv(x)], dim=1)
    gate = F.hardsigmoid(layer.attention.fc(joined.mean(dim=(2, 3), keepdim=True)))
    torch.testing.assert_close(layer(x), layer.final_conv(joined * gate))


def test_pyramid_pools_the_map_itself_in_three_sizes():
    layer = SPP(4).eval()
    x = torch.randn(1, 4, 9, 8)
    y = layer.conv1(x)
    padded = F.pad(y, (6, 6, 6, 6), value=float("-inf"))
    maxima = []
    for reach in (2, 4, 6):
        windows = padded.unfold(2, 2 * reach + 1, 1).unfold(3, 2 * reach + 1, 1)
        inner = windows[:, :, 6 - reach : 15 - reach, 6 - reach : 14 - reach]
        maxima.append(inner.amax(dim=(4, 5)))
    torch.testing.assert_close(layer(x), layer.conv2(torch.cat([y, *maxima], dim=1)))


def test_attention_gates_by_a_hard_sigmoid():
    layer = ChannelAttention(3)
    with torch.no_grad():
        layer.fc.weight.zero_()
        layer.fc.bias.copy_(torch.tensor([-4.0, 0.0, 1.5]))
    found = layer(torch.ones(1, 3, 2, 2))[0, :, 0, 0]
    torch.testing.assert_close(found, torch.tensor([0.0, 0.5, 0.75]))


def test_units_are_silu_after_batch_norm_with_pytorchs_constants():
    unit = ConvUnit(2, 3, 3, stride=2).eval()
    x = torch.randn(1, 2, 6, 8)
    torch.testing.assert_close(unit(x), F.silu(unit.bn(unit.conv(x))))
    assert (unit.bn.eps, unit.bn.momentum, unit.conv.bias) == (1e-5, 0.1, None)


def test_odd_widths_are_refused():
    with pytest.raises(ValueError, match="all must be even"):
        CSPNeXt(1.0, 0.3)
