"""Attention in four plain operations and in PyTorch's kernel; which of the two runs."""

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


@pytest.mark.parametrize(
    ("dtype", "trained_bias", "kernel"),
    [
        (torch.float32, False, True),
        (torch.float32, True, False),  # the kernel has no backward pass for it
        (torch.bfloat16, False, False),
        (torch.float64, False, True),
    ],
)
def test_the_kernel_runs_where_it_is_the_faster(monkeypatch, dtype, trained_bias, kernel):
    calls = []
    monkeypatch.setattr(F, "scaled_dot_product_attention", lambda *a, **k: calls.append(a) or a[0])
    attend(*inputs(dtype, trained_bias))
    assert len(calls) == kernel
