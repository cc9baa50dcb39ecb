"""Residual blocks and initialisation."""

import pytest
import torch
from torch import nn

from lib.models.layers.blocks import BasicBlock, Bottleneck, init_parts, make_layer


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_only_the_first_block_strides_and_projects(block):
    layer = make_layer(block, 6, 8, 3, expansion=block.expansion, stride=2)
    assert layer(torch.randn(2, 6, 8, 12)).shape == (2, 8 * block.expansion, 4, 6)
    projected = [not isinstance(b.downsample, nn.Identity) for b in layer]
    assert projected == [True, False, False]


def test_no_projection_where_shapes_agree():
    layer = make_layer(BasicBlock, 8, 8, 1, expansion=1)
    assert not any("downsample" in name for name, _ in layer.named_parameters())


def test_a_block_is_its_residual_plus_its_shortcut():
    block = Bottleneck(8, 2).eval()
    x = torch.randn(2, 8, 3, 5)
    y = torch.relu(block.bn1(block.conv1(x)))
    y = torch.relu(block.bn2(block.conv2(y)))
    torch.testing.assert_close(block(x), torch.relu(block.bn3(block.conv3(y)) + x))


def test_stride_sits_on_the_3x3_convolution():
    block = Bottleneck(8, 2, stride=2, downsample=nn.Conv2d(8, 8, 1, 2))
    assert (block.conv1.stride, block.conv2.stride) == ((1, 1), (2, 2))


def test_parts_with_their_own_initialisation_use_it():
    class Own(nn.Conv2d):
        def init_weights(self):
            nn.init.constant_(self.weight, 3.0)

    own, plain = Own(2, 2, 1), nn.Conv2d(50, 50, 3)
    init_parts(own, None, plain)
    assert (own.weight == 3).all()
    assert plain.weight.std().item() == pytest.approx(0.001, rel=0.05)
    assert not plain.bias.any()
