"""The head that shuffles channels into heatmaps."""

import pytest
import torch

from lib.models.heads.subpixel import SubPixelHead


@pytest.mark.parametrize(("stride", "out_stride"), [(2, 1), (2, 2), (4, 1), (4, 2)])
@pytest.mark.parametrize("upsampling", ["pixelshuffle", "bilinear"])
def test_stride_of_the_heatmaps(stride, out_stride, upsampling):
    head = SubPixelHead((3, 5), (stride, 8), 7, out_stride=out_stride, upsampling=upsampling)
    out = head([torch.randn(2, 3, 4, 6), torch.randn(2, 5, 2, 3)])
    assert out.shape == (2, 7, 4 * stride // out_stride, 6 * stride // out_stride)
    assert head.out_stride == out_stride
    assert head.predict.weight.std().item() < 0.003
    assert not head.predict.bias.any()


def test_stride_must_divide():
    with pytest.raises(ValueError, match="out_stride must divide 4, got 3"):
        SubPixelHead((3,), (4,), 7, out_stride=3)
