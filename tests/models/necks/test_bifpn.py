"""BiFPN: its graph, pooling, weights and sizes."""

import pytest
import torch
from torch.nn import functional as F

from lib.models.necks.bifpn import BiFPN, plan

INPUTS = (40, 112, 320)


def test_plan_is_efficientdets():
    assert plan(5) == [
        (3, (3, 4)),
        (2, (2, 5)),
        (1, (1, 6)),
        (0, (0, 7)),
        (1, (1, 7, 8)),
        (2, (2, 6, 9)),
        (3, (3, 5, 10)),
        (4, (4, 11)),
    ]


def build():
    return BiFPN(INPUTS, (4, 8, 16))


def test_published_size_and_output_shapes():
    with torch.device("meta"):
        neck = build().eval()
    assert sum(p.numel() for p in neck.parameters()) == 196_281
    maps = [torch.empty(2, c, 32 // 2**i, 48 // 2**i, device="meta") for i, c in enumerate(INPUTS)]
    shapes = [tuple(x.shape) for x in neck(maps)]
    assert shapes == [(2, 64, 32 // 2**i, 48 // 2**i) for i in range(5)]
    assert neck.out_strides == (4, 8, 16, 32, 64)


def test_pooling_pads_after_the_map_only():
    neck = BiFPN((2,), (4,), channels=2, repeats=1, levels=2)
    x = -torch.arange(1.0, 17).reshape(1, 1, 4, 4)
    # A window starts on every even row and column; what lies beyond the border never wins.
    assert neck.pools[0](x).flatten().tolist() == [-1, -3, -9, -11]


def test_node_sums_as_defined():
    neck = BiFPN((4, 4, 4), (4, 8, 16), channels=4, repeats=1, levels=3).eval()
    node = neck.cell[0].nodes[2]  # level 1: its input, its top-down node, level 0's top-down node
    row = [torch.randn(1, 4, s, s) for s in (8, 4, 2, 4, 8)]
    node.weights.data.copy_(torch.tensor([0.5, -1.0, 0.002]))
    sums = []
    node.conv.register_forward_pre_hook(lambda _, inputs: sums.append(inputs[0]))
    node(row)
    pooled = F.max_pool2d(F.pad(row[4], (0, 1, 0, 1), value=-torch.inf), 3, 2)
    total = (0.5 * row[1] + 0.002 * pooled) / (0.502 + 1e-4)
    torch.testing.assert_close(sums[0].detach(), total * total.sigmoid(), rtol=1e-5, atol=1e-6)


def test_coarser_maps_are_enlarged_by_repetition():
    node = BiFPN((4, 4), (4, 8), channels=4, repeats=1, levels=2).eval().cell[0].nodes[0]
    coarse = torch.randn(1, 4, 3, 2)
    wanted = coarse.repeat_interleave(2, -1).repeat_interleave(2, -2)
    assert torch.equal(node.resize[1](coarse), wanted)


def test_batch_norm_biases_and_start():
    neck = build()
    neck.init_weights()
    node = neck.cell[0].nodes[0]
    norms = [m for m in neck.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert {(m.eps, m.momentum) for m in norms} == {(1e-3, 0.01)}
    assert node.conv.conv_dw.bias is None
    assert not node.conv.conv_pw.bias.any()
    assert not neck.extra.conv.bias.any()
    assert node.weights.tolist() == [1, 1]


def test_refuses_strides_and_sizes_that_cannot_be_halved_often_enough():
    maps = [torch.zeros(1, c, 96 // 2**i, 72 // 2**i) for i, c in enumerate(INPUTS)]
    with pytest.raises(ValueError, match=r"BiFPN needs .* multiples of 64 pixels, got 288 x 384"):
        build()(maps)
    with pytest.raises(ValueError, match="strides that double"):
        BiFPN((8, 8), (4, 16))
    with pytest.raises(ValueError, match="BiFPN of 1 levels"):
        BiFPN((8, 8), (4, 8), levels=1)
