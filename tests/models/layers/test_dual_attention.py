import pytest
import torch

from lib.models.layers.dual_attention import ChannelAttention, DualBlock, WindowAttention


def by_hand(layer, x, attend):
    """Let two heads of three channels each attend, and project their answers."""
    q, k, v = layer.qkv(x).split(6, dim=2)
    heads = [slice(0, 3), slice(3, 6)]
    return layer.proj(torch.cat([attend(q[..., h], k[..., h], v[..., h]) for h in heads], dim=2))


def test_channel_attention_by_hand():
    def attend(q, k, v):
        return q @ ((3**-0.5 * k).transpose(1, 2) @ v).softmax(dim=-1).transpose(1, 2)

    torch.manual_seed(0)
    layer, x = ChannelAttention(6, 2).eval(), torch.rand(2, 5, 6)
    torch.testing.assert_close(layer(x), by_hand(layer, x, attend))


def test_channel_attention_sums_in_float32_under_autocast(monkeypatch):
    sums, softmax = [], torch.Tensor.softmax
    monkeypatch.setattr(
        torch.Tensor, "softmax", lambda x, **words: sums.append(x.dtype) or softmax(x, **words)
    )
    torch.manual_seed(0)
    layer = ChannelAttention(4, 1).eval()
    x = torch.rand(1, 20_000, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = layer(x)
    assert half.dtype == torch.bfloat16
    assert sums == [torch.float32]
    torch.testing.assert_close(half.float(), layer(x), atol=2e-2, rtol=2e-2)


def test_window_attention_by_hand():
    def attend(q, k, v):
        return (3**-0.5 * q @ k.transpose(1, 2)).softmax(dim=-1) @ v

    torch.manual_seed(0)
    layer, x = WindowAttention(6, 2).eval(), torch.rand(3, 4, 6)
    torch.testing.assert_close(layer(x), by_hand(layer, x, attend))


def test_windows_do_not_see_one_another_and_padding_takes_part():
    torch.manual_seed(0)
    block = DualBlock(4, 2, 3).eval()
    x = torch.rand(1, 5 * 4, 4)  # 5x4 tokens: windows of rows 0-2, 3-5 and columns 0-2, 3-5
    changed = x.clone()
    changed[0, 0] += 1  # token (0, 0)
    differs = (block._attend(changed, (5, 4)) != block._attend(x, (5, 4))).any(dim=2).view(5, 4)
    wanted = torch.zeros(5, 4, dtype=torch.bool)
    wanted[:3, :3] = True
    assert torch.equal(differs, wanted)
    corner = x.view(5, 4, 4)[3:, 3:].reshape(1, 2, 4)  # a window of two tokens, seven padded
    padded = torch.zeros(1, 9, 4)
    padded[0, [0, 3]] = corner[0]
    together = block._attend(x, (5, 4)).view(5, 4, 4)[3:, 3:].reshape(1, 2, 4)
    torch.testing.assert_close(together, block.attn(padded)[:, [0, 3]])


@pytest.mark.parametrize("window", [3, 0])
def test_products_are_declared(window):
    block = DualBlock(6, 2, window)
    tokens = torch.zeros(8, 9, 6)
    wanted = 2 * 8 * 9 * 9 * 6 if window else 2 * 8 * 9 * 6 * 3
    assert block.attn.attention_macs(tokens) == wanted
