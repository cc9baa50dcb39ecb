"""Scaled dot-product attention (Vaswani et al., Attention Is All You Need, NeurIPS 2017)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return softmax(q k' / sqrt(d) + bias) v.

    It is PyTorch's kernel but where that is slow, in trainings on a CPU: its backward pass in half
    precision takes 2 to 4 times as long as in single, and it has none for a bias.

    Args:
        q: queries (B, heads, N, d).
        k: keys, as many.
        v: values, as many.
        bias: added to the logits, (1, heads, N, N).

    Returns:
        (B, heads, N, d).
    """
    if q.device.type == "cpu" and torch.is_grad_enabled():
        if q.dtype.itemsize < 4:
            wide = [q.float(), k.float(), v.float(), None if bias is None else bias.float()]
            with torch.autocast("cpu", enabled=False):
                return attend(*wide).to(q.dtype)
        if bias is not None and bias.requires_grad:
            logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
            return (logits + bias).softmax(dim=-1) @ v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
