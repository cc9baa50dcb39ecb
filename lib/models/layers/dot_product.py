"""Scaled dot-product attention (Vaswani et al., Attention Is All You Need, NeurIPS 2017)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return softmax(q k' / sqrt(d) + bias) v.

    Args:
        q: queries (B, heads, N, d).
        k: keys, as many.
        v: values, as many.
        bias: added to the logits, (1, heads, N, N).

    Returns:
        (B, heads, N, d).
    """
    if _kernel_is_slow(q, bias):
        logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
        return (logits if bias is None else logits + bias).softmax(dim=-1) @ v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


def _kernel_is_slow(q: Tensor, bias: Tensor | None) -> bool:
    """Return whether PyTorch's own form takes longer than four plain operations.

    On a CPU in half precision it does, by up to 7 times in the backward pass of HRFormer's windows;
    and it has no fast form where the bias needs a gradient.
    """
    if q.device.type != "cpu":
        return False
    return q.dtype.itemsize < 4 or (bias is not None and bias.requires_grad)
