"""EFEM: sized from what it is given, joins maps in the documented order."""

import pytest
import torch

from lib.models.necks.efem import EFEM


def maps(channels, strides, height=64, width=96):
    torch.manual_seed(1)
    return [
        torch.randn(2, c, height // s, width // s) for c, s in zip(channels, strides, strict=True)
    ]


@pytest.mark.parametrize(
    "strides", [(4, 8, 16, 32), (4, 8, 16, 16), (2, 8, 16, 32), (4, 16, 32), (4,)]
)
def test_sizes_follow_the_strides(strides):
    channels = (3, 5, 7, 11)[: len(strides)]
    widths = [2, 4, 6, 8][: len(strides)]
    neck = EFEM(channels, strides, channels=widths)
    (out,) = neck(maps(channels, strides))
    assert neck.out_channels == (widths[-1],)
    assert neck.out_strides == (strides[0] // 2,)
    assert out.shape == (2, widths[-1], 64 * 2 // strides[0], 96 * 2 // strides[0])


def test_upsampled_first_lateral_second():
    neck = EFEM((3, 5), (4, 8), channels=(2, 4)).eval()
    fine, coarse = maps((3, 5), (4, 8))
    wanted = neck.up0(torch.cat([neck.up1(coarse), fine], dim=1))
    assert torch.equal(neck([fine, coarse])[0], wanted)


def test_single_scale_reads_the_finest_map_alone():
    neck = EFEM((3, 5, 7), (4, 8, 16), channels=(2, 4, 6), multi_scale=False)
    inputs = maps((3, 5, 7), (4, 8, 16))
    (out,) = neck(inputs)
    assert torch.equal(out, neck([inputs[0], None, None])[0])
    assert [name for name, _ in neck.named_children()] == ["up0"]
    assert neck.out_channels == (6,)


@pytest.mark.parametrize(
    ("channels", "strides", "widths", "message"),
    [
        ((3, 5), (4, 8), (2, 4, 6), "per map"),
        ((3, 5), (4, 6), (2, 4), "divide"),
        ((3,), (1,), (2,), "divide"),
    ],
)
def test_what_does_not_fit_is_refused(channels, strides, widths, message):
    with pytest.raises(ValueError, match=message):
        EFEM(channels, strides, channels=widths)


def test_images_that_do_not_divide_are_refused():
    neck = EFEM((3, 5), (4, 8), channels=(2, 4))
    with pytest.raises(ValueError, match="multiples of 8"):
        neck([torch.randn(1, 3, 15, 8), torch.randn(1, 5, 8, 4)])
