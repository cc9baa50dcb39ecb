import pytest
import torch
import torch.nn.functional as F

from lib.models.heads.upsample import UpsampleHead


def test_relu_then_enlargement_then_convolution():
    head = UpsampleHead((5, 7), (8, 16), 3)
    maps = [torch.randn(2, 5, 6, 4), torch.randn(2, 7, 3, 2)]
    large = F.interpolate(maps[1].clamp_min(0), size=(12, 8), mode="bilinear", align_corners=False)
    wanted = F.conv2d(large, head.final_layer.weight, head.final_layer.bias, padding=1)
    assert head.out_stride == 4
    torch.testing.assert_close(head(maps), wanted)


def test_the_factor_must_divide_the_stride():
    with pytest.raises(ValueError, match="must divide the stride 16, got 3"):
        UpsampleHead((7,), (16,), 3, factor=3)
