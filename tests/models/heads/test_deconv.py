"""The transposed-convolution head and its grouped form."""

import pytest
import torch
from torch import nn

from lib.models.heads.deconv import DeconvHead


@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_every_kernel_doubles_the_map(kernel):
    head = DeconvHead((3, 5), (4, 32), 7, filters=[6, 8], kernels=[kernel] * 2)
    assert head.out_stride == 8
    assert head([torch.empty(0), torch.randn(2, 5, 2, 3)]).shape == (2, 7, 8, 12)


def test_grouped_form_mixes_channels_by_a_1x1_convolution():
    head = DeconvHead((12,), (16,), 7, filters=[8, 8], kernels=[4, 4], grouped=True)
    kinds = [type(layer).__name__ for layer in head.deconv_layers[:6]]
    assert kinds == ["ConvTranspose2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "ReLU"]
    up, mix = head.deconv_layers[0], head.deconv_layers[3]
    assert isinstance(up, nn.ConvTranspose2d)
    assert (up.groups, mix.groups, mix.kernel_size) == (4, 1, (1, 1))  # gcd(12, 8)
    assert head([torch.randn(2, 12, 3, 2)]).shape == (2, 7, 12, 8)


@pytest.mark.parametrize(
    ("filters", "kernels", "message"),
    [
        ([6], [4, 4], "1 filters and 2 kernels"),
        ([6], [5], "2, 3 or 4"),
        ([6] * 4, [4] * 4, "halved"),
    ],
)
def test_what_does_not_fit_is_refused(filters, kernels, message):
    with pytest.raises(ValueError, match=message):
        DeconvHead((3,), (8,), 7, filters=filters, kernels=kernels)
