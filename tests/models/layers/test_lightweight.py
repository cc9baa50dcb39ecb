"""Light residual blocks: groups, sizes and the order of attention and shortcut."""

import pytest
import torch
from torch import nn

from lib.models.layers.blocks import conv_bn
from lib.models.layers.lightweight import LightBasicBlock, LightBottleneck


@pytest.mark.parametrize(("width", "groups"), [(1, (64, 128)), (2, (32, 64))])
def test_basic_block_has_groups_of_the_given_width(width, groups):
    down = nn.Sequential(*conv_bn(64, 128, 1, stride=2))
    block = LightBasicBlock(64, 128, 2, down, group_width=width)
    assert (block.conv1.groups, block.conv2.groups) == groups
    assert block.conv1.weight.shape == (128, width, 3, 3)
    assert block(torch.randn(2, 64, 8, 6)).shape == (2, 128, 4, 3)


def test_bottleneck_has_one_width_and_strides_in_the_middle():
    down = nn.Sequential(*conv_bn(64, 128, 1, stride=2))
    block = LightBottleneck(64, 128, 2, down)
    convs = [block.conv1, block.conv2, block.conv3]
    assert [conv.weight.shape[:2] for conv in convs] == [(128, 64), (128, 1), (128, 128)]
    assert [conv.stride[0] for conv in convs] == [1, 2, 1]
    assert all(conv.bias is None for conv in convs)
    assert LightBottleneck(64, 128, group_width=4).conv2.weight.shape == (128, 4, 3, 3)
    assert block(torch.randn(2, 64, 8, 6)).shape == (2, 128, 4, 3)


@pytest.mark.parametrize("kind", [LightBasicBlock, LightBottleneck])
def test_attention_comes_before_the_shortcut(kind):
    block = kind(32, 32, attention="").eval()
    x = torch.randn(2, 32, 4, 6)
    assert not torch.equal(block(x), x.relu())

    class Nothing(nn.Module):
        def forward(self, y):
            return torch.zeros_like(y)

    block.att = Nothing()
    assert torch.equal(block(x), x.relu())
