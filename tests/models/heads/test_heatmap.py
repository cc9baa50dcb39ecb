"""The one-convolution head."""

import pytest
import torch

from lib.models.heads.heatmap import HeatmapHead


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("level", [0, 1])
def test_reads_one_level_and_keeps_its_size(kernel, level):
    head = HeatmapHead((3, 5), (4, 8), 7, kernel=kernel, level=level)
    out = head([torch.randn(2, 3, 6, 10), torch.randn(2, 5, 3, 5)])
    assert out.shape == (2, 7, *((6, 10), (3, 5))[level])
    assert head.out_stride == (4, 8)[level]
