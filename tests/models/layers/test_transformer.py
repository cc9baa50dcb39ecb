"""Window attention against a loop over windows; the block's order of operations."""

import pytest
import torch
from textbook.window_attention import plain_attention, window_attention
from torch import nn

from lib.models.layers.transformer import (
    TransformerBlock,
    WindowAttention,
    WindowSelfAttention,
)


def attention(channels=6, heads=2, window=3, rpe=True):
    torch.manual_seed(0)
    layer = WindowAttention(channels, heads, window, rpe)
    for parameter in layer.parameters():
        parameter.data = torch.randn_like(parameter)
    return layer


@pytest.mark.parametrize("rpe", [True, False])
@pytest.mark.parametrize(("height", "width"), [(3, 6), (4, 5), (7, 11), (2, 1)])
def test_windows_equal_the_textbook_loop(height, width, rpe):
    layer = attention(rpe=rpe).double()  # kernels of single precision differ among versions
    x = torch.randn(2, height, width, 6, dtype=torch.float64)
    torch.testing.assert_close(layer(x), window_attention(x, layer), atol=1e-10, rtol=1e-10)


def test_seven_by_seven_windows_of_the_published_size():
    layer = attention(channels=8, heads=4, window=7)
    x = torch.randn(1, 8, 6, 8)  # padded to 14 x 7
    torch.testing.assert_close(layer(x), window_attention(x, layer), atol=1e-4, rtol=1e-4)


def test_fused_attention_equals_the_unfused_form():
    layer = attention(channels=12, heads=3, window=5).attn
    tokens = torch.randn(4, 25, 12)
    torch.testing.assert_close(layer(tokens), plain_attention(layer, tokens), atol=1e-4, rtol=1e-4)


def test_bias_table_is_trained_only_where_it_is_used():
    for rpe in (True, False):
        layer = attention(rpe=rpe)
        layer(torch.randn(1, 4, 4, 6)).sum().backward()
        table = layer.attn.relative_position_bias_table
        assert table.requires_grad is rpe
        assert (table.grad is not None) is rpe
    assert layer.attn.no_weight_decay() == ["relative_position_bias_table"]
    names = {name for name, _ in layer.attn.named_parameters()}
    assert set(layer.attn.no_weight_decay()) <= names


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="7 channels cannot be split among 2 heads"):
        WindowSelfAttention(7, 2, 3)


def test_declared_products():
    assert attention(channels=6, window=3).attn.attention_macs(torch.empty(4, 9, 6)) == (
        4 * (9 * 9 * 6 + 9 * 9 * 6)
    )


def test_block_is_attention_then_feed_forward_each_beside_a_shortcut():
    torch.manual_seed(0)
    block = TransformerBlock(6, 2, window=3, mlp_ratio=2, drop_path=0.5).eval()
    x = torch.randn(2, 6, 4, 5)
    tokens = x.permute(0, 2, 3, 1)
    tokens = tokens + window_attention(block.norm1(tokens), block.attn)
    middle = tokens.permute(0, 3, 1, 2)
    ffn = block.norm2(tokens).permute(0, 3, 1, 2)
    for conv, norm in (("fc1", "norm1"), ("dw3x3", "norm2"), ("fc2", "norm3")):
        ffn = nn.functional.gelu(getattr(block.mlp, norm)(getattr(block.mlp, conv)(ffn)))
    torch.testing.assert_close(block(x), middle + ffn, atol=1e-5, rtol=1e-5)
    assert block.norm1.eps == block.norm2.eps == 1e-6


def test_memory_format_does_not_change_the_result():
    torch.manual_seed(0)
    block = TransformerBlock(6, 2, window=3, mlp_ratio=2).eval()
    x = torch.randn(2, 6, 4, 5)
    last = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(block(x), block(last))


def test_half_precision_keeps_the_bias_and_the_shape():
    layer = attention(channels=8, heads=2, window=3)
    x = torch.randn(1, 4, 5, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = layer(x)
    assert half.dtype == torch.bfloat16
    full = layer(x)
    assert (half.float() - full).abs().max() < 0.05 * full.abs().max()
