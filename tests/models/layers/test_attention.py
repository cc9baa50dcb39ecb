"""Global context and squeeze-and-excitation against their definitions."""

import pytest
import torch
from torch import nn

from lib.models.layers.attention import (
    GlobalContext,
    SqueezeExcitation,
    inner_width,
    make_attention,
)


def count(part):
    return sum(p.numel() for p in part.parameters())


@pytest.mark.parametrize(("channels", "hidden"), [(64, 16), (128, 16), (256, 16), (512, 32)])
def test_published_sizes(channels, hidden):
    assert inner_width(channels) == hidden
    wanted = 2 * channels * hidden + 2 * channels + 3 * hidden + 1
    assert count(GlobalContext(channels)) == wanted
    assert count(SqueezeExcitation(channels)) == 2 * channels * hidden


def test_global_context_equals_its_definition():
    torch.manual_seed(0)
    layer = GlobalContext(48).double()
    for parameter in layer.parameters():
        parameter.data.normal_()
    x = torch.randn(3, 48, 5, 7, dtype=torch.float64)
    weight, bias = layer.conv_mask.weight[0, :, 0, 0], layer.conv_mask.bias
    wanted = []
    for image in x:
        logits = torch.stack([weight @ image[:, i, j] + bias for i in range(5) for j in range(7)])
        weights = logits.exp() / logits.exp().sum()
        pixels = [image[:, i, j] for i in range(5) for j in range(7)]
        context = sum(w * p for w, p in zip(weights, pixels, strict=True))
        first, norm, _, last = layer.channel_add_conv
        hidden = first.weight[:, :, 0, 0] @ context + first.bias
        hidden = (hidden - hidden.mean()) / (hidden.var(unbiased=False) + 1e-5).sqrt()
        hidden = (hidden * norm.weight[:, 0, 0] + norm.bias[:, 0, 0]).clamp(min=0)
        added = last.weight[:, :, 0, 0] @ hidden + last.bias
        wanted.append(image + added[:, None, None])
    torch.testing.assert_close(layer(x), torch.stack(wanted))


def test_global_context_starts_as_the_identity():
    x = torch.randn(2, 64, 3, 5)
    assert torch.equal(GlobalContext(64)(x), x)


def test_squeeze_and_excitation_equals_its_definition():
    layer = SqueezeExcitation(24)
    x = torch.randn(2, 24, 3, 5)
    first, _, second, _ = layer.fc
    gate = (second.weight @ (first.weight @ x.mean((2, 3)).T).clamp(min=0)).sigmoid().T
    torch.testing.assert_close(layer(x), x * gate[:, :, None, None])


def test_names():
    assert isinstance(make_attention("", 8), nn.Identity)
    assert isinstance(make_attention("SE", 8), SqueezeExcitation)
    with pytest.raises(ValueError, match=r"one of \['GC', 'SE'\] or '', got 'CBAM'"):
        make_attention("CBAM", 8)
