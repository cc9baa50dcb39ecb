"""Final attention head and sum head."""

import pytest
import torch

from lib.models.heads.fahead import FAHead, SumHead


def maps(strides):
    generator = torch.Generator().manual_seed(5)
    sizes = [(2, 3 + i, 48 // s, 64 // s) for i, s in enumerate(strides)]
    return [torch.randn(size, generator=generator) for size in sizes]


@pytest.mark.parametrize("strides", [(4,), (4, 8, 16), (2, 8, 16)])
@pytest.mark.parametrize("kind", [FAHead, SumHead])
def test_levels_are_enlarged_by_repetition_and_joined(kind, strides):
    torch.manual_seed(0)
    head = kind([3 + i for i in range(len(strides))], strides, 5).eval()
    levels = [layer(x) for layer, x in zip(head.layers, maps(strides), strict=True)]
    product, total = 1.0, 0.0
    for level, stride in zip(levels, strides, strict=True):
        factor = stride // strides[0]
        large = level.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
        product, total = product * large.sigmoid(), total + large
    output = head(maps(strides))
    assert output.shape == (2, 5, 48 // strides[0], 64 // strides[0])
    assert head.out_stride == strides[0]
    torch.testing.assert_close(output, product if kind is FAHead else total)


def test_final_attention_starts_at_one_eighth_and_stays_between_0_and_1():
    head = FAHead((7, 7, 7), (4, 8, 16), 17).train()
    output = head([torch.randn(8, 7, 16 // 2**i, 16 // 2**i) for i in range(3)])
    assert output.min() > 0
    assert output.max() < 1
    assert output.mean().item() == pytest.approx(0.125, abs=0.02)


@pytest.mark.parametrize("kind", [FAHead, SumHead])
def test_both_heads_have_one_size_and_their_batch_norm(kind):
    head = kind((64, 64, 64), (4, 8, 16), 17)
    assert sum(p.numel() for p in head.parameters()) == 3_366
    assert {(layer[1].eps, layer[1].momentum) for layer in head.layers} == {(1e-3, 0.01)}
    assert all(layer[0].bias is None for layer in head.layers)


@pytest.mark.parametrize(("head", "start"), [(FAHead, 0.25), (SumHead, 0.0)])
def test_a_small_scale_starts_near_constant_heatmaps(head, start):
    torch.manual_seed(0)
    maps = [torch.randn(2, 5, 8, 4), torch.randn(2, 6, 4, 2)]
    heatmaps = head((5, 6), (4, 8), 3, scale=1e-4)(maps)
    assert (heatmaps - start).abs().max() < 1e-2
    assert head((5, 6), (4, 8), 3)(maps).std() > 0.05
