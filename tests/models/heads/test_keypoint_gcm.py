"""The Global Context Module equals its definition; the head is laid out as published."""

import pytest
import torch
from textbook import gcm as textbook
from torch import nn

from lib.models.heads.keypoint_gcm import GCM, KeypointGCMHead, RelativeSelfAttention

CHANNELS, HEADS, SIZE = 12, 3, 5


def plain_block(module, x):
    """The module written out: batch-norm by hand, attention one logit at a time."""

    def norm(layer, y):
        mean = y.mean(dim=(0, 2, 3), keepdim=True)
        variance = ((y - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
        scaled = (y - mean) / (variance + layer.eps).sqrt()
        return scaled * layer.weight[:, None, None] + layer.bias[:, None, None]

    mhsa = module.mhsa
    y = x + textbook.attention(
        norm(module.norm1, x).clamp(min=0),
        mhsa.to_qk.weight[:, :, 0, 0],
        mhsa.to_v.weight[:, :, 0, 0],
        mhsa.pos_emb.rel_height,
        mhsa.pos_emb.rel_width,
        mhsa.heads,
    )
    return y + module.conv(norm(module.norm2, y).clamp(min=0))


def test_module_equals_its_definition_in_values_and_gradients():
    torch.manual_seed(1)
    module = GCM(CHANNELS, HEADS, SIZE)
    x = torch.randn(2, CHANNELS, SIZE, SIZE, requires_grad=True)
    wanted = [x, *module.parameters()]
    results = []
    for run in (module, lambda y: plain_block(module, y)):
        out = run(x)
        gradients = torch.autograd.grad((out * out.detach().cos()).sum(), wanted)
        results.append((out, *gradients))
    for ours, textbooks in zip(*results, strict=True):
        assert (ours - textbooks).abs().max() < 1e-5 * max(1, textbooks.abs().max())


def test_positions_are_of_the_key_relative_to_the_query():
    attention = RelativeSelfAttention(4, 2, 3)
    nn.init.zeros_(attention.to_qk.weight)
    attention.to_qk.weight.data[:4] = torch.eye(4)[..., None, None]  # queries are the input
    nn.init.eye_(attention.to_v.weight.data[:, :, 0, 0])
    table = attention.pos_emb
    nn.init.zeros_(table.rel_height)
    nn.init.zeros_(table.rel_width)
    table.rel_width.data[1 + 2] = 1e4  # everyone looks one cell to the right
    x = torch.ones(1, 4, 3, 3)
    x[0, :, :, 2] = 7.0
    out = attention(x)
    assert torch.allclose(out[..., 1], torch.tensor(7.0), atol=1e-3)
    assert torch.allclose(out[..., 0], torch.tensor(1.0), atol=1e-3)


def test_without_queries_attention_is_the_mean_of_the_values():
    attention = RelativeSelfAttention(CHANNELS, HEADS, SIZE)
    nn.init.zeros_(attention.to_qk.weight)
    nn.init.zeros_(attention.pos_emb.rel_height)
    nn.init.zeros_(attention.pos_emb.rel_width)
    x = torch.randn(2, CHANNELS, SIZE, SIZE)
    mean = attention.to_v(x).mean(dim=(2, 3), keepdim=True).expand_as(x)
    assert torch.allclose(attention(x), mean, atol=1e-5)


def test_another_map_size_is_refused():
    with pytest.raises(ValueError, match="14x14, got 7x7"):
        RelativeSelfAttention(8, 4, 14)(torch.zeros(2, 8, 7, 7))
    with pytest.raises(ValueError, match="10 channels"):
        RelativeSelfAttention(10, 4, 14)


def test_parameters_and_layers_as_published():
    with torch.device("meta"):
        head = KeypointGCMHead(256)
    names = [name for name, _ in head.named_children()]
    gcm1 = sum(p.numel() for p in head.gcm1.parameters())
    assert gcm1 == 3_155_200
    assert sum(p.numel() for p in head.parameters()) == 25_320_448
    convs = [f"conv{i}" for i in range(1, 9)]
    assert names == ["reduce", "gcm1", *convs[:4], "gcm5", *convs[4:]]
    assert head(torch.empty(3, 256, 14, 14, device="meta")).shape == (3, 512, 14, 14)


def test_initialisation():
    torch.manual_seed(0)
    head = KeypointGCMHead(16, 64, 4, size=6)
    uniform = head.gcm1.norm1.weight
    assert 0 <= uniform.min() < 0.1
    assert 0.9 < uniform.max() <= 1
    assert not head.gcm1.norm1.bias.any()
    deviation = (2 / (64 * 9)) ** 0.5  # He et al., fan-out
    assert head.conv2.weight.std().item() == pytest.approx(deviation, rel=0.02)
    assert not head.conv2.bias.any()
    assert head.gcm1.mhsa.pos_emb.rel_height.std().item() == pytest.approx(16**-0.5, rel=0.2)
    assert bool((KeypointGCMHead(16, 64, 4, size=6, bn_init="one").gcm1.norm2.weight == 1).all())


def test_attention_stays_in_float32_under_autocast():
    torch.manual_seed(3)
    attention = RelativeSelfAttention(CHANNELS, HEADS, SIZE)
    x = torch.randn(2, CHANNELS, SIZE, SIZE)
    seen = []
    weights = attention._weights
    attention._weights = lambda q, k: seen.append(weights(q, k)) or seen[-1]
    with torch.autocast("cpu", torch.bfloat16):
        out = attention(x)
    assert seen[0].dtype == torch.float32
    assert out.dtype == torch.bfloat16
    assert (out.float() - attention(x)).abs().max() < 0.1
