"""Gated attention unit (Hua et al., Transformer Quality in Linear Time, 2022) as in RTMPose.

Differs from the paper as RTMPose's released code does: the attention is neither divided by the
number of tokens nor given positions, and the shortcut is scaled. Attribute names are those of the
published files.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.utils.precision import without_autocast

LEAST_NORM = 1e-5  # of a token, over the square root of its width


class ScaleNorm(nn.Module):
    """Brings tokens to one length: ``x / (|x| / sqrt(width)) * g``, in float32.

    Args:
        width: of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = width**-0.5
        self.g = nn.Parameter(torch.ones(1))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (..., width) to the same shape; a token of zeros stays one."""
        norm = torch.linalg.vector_norm(tokens.float(), dim=-1, keepdim=True) * self.scale
        return tokens / norm.clamp(min=LEAST_NORM) * self.g


class Scale(nn.Module):
    """A factor per channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (..., width) to the same shape."""
        return tokens * self.scale


class GatedAttention(nn.Module):
    """Tokens attend to one another by squared ReLUs, and a gate lets the result through.

    Args:
        width: of a token.
        expansion: width of values and gate / ``width``.
        shared: width of queries and keys, which come from one projection.
    """

    def __init__(self, width: int, expansion: int = 2, shared: int = 128) -> None:
        super().__init__()
        self.shared = shared
        self.inner = width * expansion
        self.ln = ScaleNorm(width)
        self.uv = nn.Linear(width, 2 * self.inner + shared, bias=False)
        self.gamma = nn.Parameter(torch.rand(2, shared))  # of query and key
        self.beta = nn.Parameter(torch.rand(2, shared))
        self.o = nn.Linear(self.inner, width, bias=False)
        self.res_scale = Scale(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, K, width) to the same shape."""
        parts = F.silu(self.uv(self.ln(tokens)))
        gate, values, base = parts.split([self.inner, self.inner, self.shared], dim=2)
        return self.res_scale(tokens) + self.o(gate * self._mixed(base, values).to(gate.dtype))

    def _mixed(self, base: Tensor, values: Tensor) -> Tensor:
        """Return the attention-weighted sums of the values, in float32: squares overflow first."""
        with without_autocast(base.device):
            pair = base.float().unsqueeze(2) * self.gamma + self.beta  # (B, K, 2, shared)
            query, key = pair.unbind(2)
            weights = F.relu(query @ key.transpose(1, 2) / self.shared**0.5).square()
            return weights @ values.float()

    def attention_macs(self, tokens: Tensor) -> int:
        """Return the products of queries with keys and of weights with values."""
        batch, count, _ = tokens.shape
        return batch * count * count * (self.shared + self.inner)
