"""Gated attention against its formulas, in half precision too."""

import pytest
import torch
import torch.nn.functional as F

from lib.models.layers.gated_attention import GatedAttention, ScaleNorm


@pytest.fixture
def unit():
    torch.manual_seed(0)
    unit = GatedAttention(6, expansion=3, shared=4)
    with torch.no_grad():
        unit.ln.g.fill_(1.3)
        unit.gamma.normal_()
        unit.beta.normal_()
        unit.res_scale.scale.normal_()
    return unit


def test_scale_norm_clamps_the_length_not_the_square():
    norm = ScaleNorm(4)
    with torch.no_grad():
        norm.g.fill_(2.0)
    tokens = torch.tensor([[3.0, 0, 4, 0], [0, 0, 0, 0], [1e-6, 0, 0, 0]])
    found = norm(tokens)
    torch.testing.assert_close(found[0], tokens[0] / 2.5 * 2)
    assert not found[1].any()
    assert found[2, 0].item() == pytest.approx(2 * 1e-6 / 1e-5)


def test_formula(unit):
    tokens = torch.randn(2, 5, 6)
    normed = tokens / (tokens.norm(dim=-1, keepdim=True) / 6**0.5) * 1.3
    u, v, b = F.silu(normed @ unit.uv.weight.T).split([18, 18, 4], dim=-1)
    q, k = (b * unit.gamma[n] + unit.beta[n] for n in (0, 1))
    weights = F.relu(q @ k.transpose(1, 2) / 4**0.5) ** 2
    wanted = tokens * unit.res_scale.scale + (u * (weights @ v)) @ unit.o.weight.T
    torch.testing.assert_close(unit(tokens), wanted)
    assert unit.attention_macs(tokens) == 2 * 5 * 5 * (4 + 18)


def test_squares_do_not_overflow_in_half_precision(unit):
    tokens = torch.randn(2, 5, 6)
    with torch.no_grad():
        unit.gamma.mul_(40)
        with torch.autocast("cpu", dtype=torch.float16):
            found = unit._mixed(torch.full((2, 5, 4), 30.0).half(), torch.randn(2, 5, 18).half())
            assert found.dtype == torch.float32
            assert found.isfinite().all()
            assert unit(tokens).dtype in (torch.float16, torch.float32)
