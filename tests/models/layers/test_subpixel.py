"""Sub-pixel units: size, phases at the start, cost, no interpolation."""

import pytest
import torch
from operations import Operations

from lib.models import complexity
from lib.models.layers.subpixel import SubPixelUnit, icnr, upsampling_conv


def interpolations(module, *inputs):
    with Operations() as operations, torch.no_grad():
        module(*inputs)
    return operations.interpolations()


def unit(in_channels=5, out_channels=3, factor=2, upsampling="pixelshuffle"):
    torch.manual_seed(0)
    layer = SubPixelUnit(in_channels, out_channels, factor, upsampling)
    layer.init_weights()
    return layer


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("upsampling", ["pixelshuffle", "bilinear"])
def test_size(factor, upsampling):
    out = unit(factor=factor, upsampling=upsampling)(torch.randn(2, 5, 3, 7))
    assert out.shape == (2, 3, 3 * factor, 7 * factor)


def test_parameters_and_cost_are_as_designed():
    layer = unit(in_channels=7, out_channels=3)
    assert sum(p.numel() for p in layer.parameters()) == 11 * 7 + 4 * 7 * 3 + 2 * 3
    layer = unit(in_channels=3, out_channels=2)
    assert complexity(layer, (5, 4)).macs == (9 * 3 + 4 * 3 * 2) * 20


@pytest.mark.parametrize("factor", [2, 3])
def test_every_block_is_constant_right_after_initialisation(factor):
    out = unit(factor=factor)(torch.randn(2, 5, 4, 6))
    blocks = out.unflatten(3, (6, factor)).unflatten(2, (4, factor))
    torch.testing.assert_close(blocks, blocks[:, :, :, :1, :, :1].expand_as(blocks))
    assert out.std() > 0.1
    assert not torch.equal(out[:, 0], out[:, 1])


def test_convolutions_start_kaiming_normal_by_fan_out():
    layer = unit(in_channels=64, out_channels=32)
    # Fan-out is outputs x kernel: 128 of the pointwise, 64 x 9 of the depthwise as torch counts.
    for conv, fan in ((layer.pw, 4 * 32), (layer.dw, 64 * 9)):
        assert conv.weight.std().item() == pytest.approx((2 / fan) ** 0.5, rel=0.1)


def test_icnr_repeats_the_first_phase():
    weight = torch.arange(8.0).reshape(8, 1, 1, 1)
    icnr(weight, 2)
    assert weight.flatten().tolist() == [0, 0, 0, 0, 4, 4, 4, 4]


def test_nothing_is_interpolated_unless_asked_for():
    x = torch.randn(1, 5, 4, 6)
    assert interpolations(unit(), x) == []
    assert interpolations(unit(upsampling="bilinear"), x) != []


def test_unknown_upsampling():
    with pytest.raises(ValueError, match="got 'nearest'"):
        upsampling_conv(3, 3, 2, "nearest", kernel=1, bias=True)
