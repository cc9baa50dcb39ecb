"""Attention against PyTorch's kernel in double precision; where the kernel itself runs."""

import pytest
import torch
import torch.nn.functional as F

from lib.models.layers.dot_product import attend

KERNEL = F.scaled_dot_product_attention


def inputs(dtype=torch.float32, trained_bias=False):
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 5, 2, 7, 4).to(dtype).requires_grad_().unbind()
    return q, k, v, torch.randn(1, 2, 7, 7).to(dtype).requires_grad_(trained_bias)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 2e-2), (torch.float64, 1e-12)]
)
def test_equals_the_formula(bias, dtype, tolerance):
    q, k, v, b = (value.detach() for value in inputs(dtype))
    wide = [value.double() for value in (q, k, v)]
    expected = KERNEL(*wide, attn_mask=b.double() if bias else None)
    found = attend(q, k, v, b if bias else None)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, atol=tolerance, rtol=tolerance)


def test_gradients_of_a_trained_bias_are_those_of_the_kernel():
    q, k, v, bias = inputs(trained_bias=True)
    ours = torch.autograd.grad(attend(q, k, v, bias).square().sum(), (q, k, v, bias))
    theirs = torch.autograd.grad(KERNEL(q, k, v, attn_mask=bias).square().sum(), (q, k, v, bias))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_half_precision_loses_nothing_to_large_logits(bias):
    """Logits of some hundred, as trained networks have them; also where autocast would narrow."""
    q, k, v, b = inputs(torch.bfloat16, trained_bias=bias)
    q, k = 12 * q, 12 * k
    wide = [value.double() for value in (q, k, v)]
    expected = KERNEL(*wide, attn_mask=b.double() if bias else None)
    with torch.autocast("cpu", torch.bfloat16):
        found = attend(q, k, v, b if bias else None)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), expected, atol=2e-2, rtol=2e-2)


@pytest.mark.parametrize(
    ("dtype", "trained_bias", "training", "kernel"),
    [
        (torch.float32, False, True, [torch.float32]),
        (torch.float32, True, True, []),  # the kernel has no backward pass for it
        (torch.float32, True, False, [torch.float32]),
        (torch.bfloat16, False, True, [torch.float32]),
        (torch.bfloat16, True, True, []),
        (torch.bfloat16, False, False, [torch.bfloat16]),
        (torch.float64, False, True, [torch.float64]),
    ],
)
def test_the_kernel_runs_where_it_is_the_faster(monkeypatch, dtype, trained_bias, training, kernel):
    calls = []
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda q, *_, **__: calls.append(q.dtype) or q
    )
    with torch.set_grad_enabled(training):
        attend(*inputs(dtype, trained_bias))
    assert calls == kernel
