"""Layers of DaViT: windows of tokens and groups of channels attend in turn.

Ding et al., DaViT: Dual Attention Vision Transformers, ECCV 2022. Own implementation; attribute
names are those of the fusion model's checkpoints. Tokens are (B, N, C) with N = H W in raster
order; products of activations are declared for ``lib.models.cost``.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.models.layers.dot_product import attend
from lib.models.layers.drop_path import DropPath
from lib.models.layers.mlp import Mlp

Size = tuple[int, int]  # (height, width) of a token grid


class PatchEmbed(nn.Module):
    """Shrinks a map by a strided convolution, layer-normalised on the side of the tokens.

    Args:
        in_channels: channels of the incoming map.
        channels: channels of the outgoing tokens.
        patch: stride.
        first: read an image with overlapping windows and normalise after the convolution;
            else normalise before a convolution whose windows touch.
    """

    def __init__(self, in_channels: int, channels: int, patch: int, *, first: bool) -> None:
        super().__init__()
        kernel, padding = (2 * patch - 1, patch - 1) if first else (patch, 0)
        self.proj = nn.Conv2d(in_channels, channels, kernel, patch, padding)
        self.norm = nn.LayerNorm(channels if first else in_channels)
        self.first, self.patch = first, patch

    def forward(self, x: Tensor, size: Size) -> tuple[Tensor, Size]:
        """Map (B, C, H, W) (first) or tokens (B, N, C) on ``size`` to tokens and their size."""
        if not self.first:
            x = to_map(self.norm(x), size)
        height, width = size
        x = self.proj(F.pad(x, (0, -width % self.patch, 0, -height % self.patch)))
        size = (x.shape[2], x.shape[3])
        x = to_tokens(x)
        return (self.norm(x) if self.first else x), size


class ConvPosEncoding(nn.Module):
    """Adds a depth-wise 3x3 convolution of the token grid: the position encoding."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """Map tokens (B, N, C) on ``size`` to the same shape."""
        return x + to_tokens(self.proj(to_map(x, size)))


class _Attention(nn.Module):
    """The linear layers of multi-head attention.

    Args:
        channels: C.
        heads: number of heads.
        qkv_bias: give the projection to queries, keys and values a bias.
    """

    def __init__(self, channels: int, heads: int, *, qkv_bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=qkv_bias)
        self.proj = nn.Linear(channels, channels)


class WindowAttention(_Attention):
    """Multi-head attention among the tokens of a window."""

    def forward(self, x: Tensor) -> Tensor:
        """Map windows of tokens (windows, T, C) to the same shape."""
        q, k, v = _split_heads(self.qkv(x), self.heads)
        x = attend(q, k, v)
        return self.proj(_join_heads(x))

    def attention_macs(self, x: Tensor) -> int:
        """Return the products of queries with keys and of attention with values."""
        windows, tokens, channels = x.shape
        return 2 * windows * tokens**2 * channels


class ChannelAttention(_Attention):
    """Attention among the channels of a head, over all tokens."""

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (B, N, C) to the same shape."""
        q, k, v = _split_heads(self.qkv(x), self.heads)  # (B, heads, N, d)
        with _full_precision(x):
            # A sum over up to 25 600 tokens: too long for half precision.
            keys = k.float() * k.shape[-1] ** -0.5
            attention = (keys.transpose(-2, -1) @ v.float()).softmax(dim=-1)  # (B, heads, d, d)
        x = q @ attention.transpose(-2, -1).to(q.dtype)
        return self.proj(_join_heads(x))

    def attention_macs(self, x: Tensor) -> int:
        """Return the products of keys with values and of queries with attention."""
        return 2 * x.numel() * (x.shape[-1] // self.heads)


class DualBlock(nn.Module):
    """Position encoding, attention, position encoding, MLP.

    Args:
        channels: C.
        heads: attention heads.
        window: side of the attention windows in tokens; 0 attends among channels instead.
        mlp_ratio: hidden width of the MLP / C.
        qkv_bias: see WindowAttention.
        drop_path: probability that a residual branch is dropped while training.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        window: int,
        *,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        attention = WindowAttention if window else ChannelAttention
        self.window = window
        self.cpe = nn.ModuleList([ConvPosEncoding(channels), ConvPosEncoding(channels)])
        self.norm1 = nn.LayerNorm(channels)
        self.attn = attention(channels, heads, qkv_bias=qkv_bias)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels, int(channels * mlp_ratio))

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """Map tokens (B, N, C) on ``size`` to the same shape."""
        x = self.cpe[0](x, size)
        x = x + self.drop_path(self._attend(self.norm1(x), size))
        x = self.cpe[1](x, size)
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def _attend(self, x: Tensor, size: Size) -> Tensor:
        if not self.window:
            return self.attn(x)
        B, _, C = x.shape
        (height, width), side = size, self.window
        # Zeros to the right and below, after the norm; they take part, as published.
        x = F.pad(x.view(B, height, width, C), (0, 0, 0, -width % side, 0, -height % side))
        rows, columns = x.shape[1] // side, x.shape[2] // side
        x = x.view(B, rows, side, columns, side, C).transpose(2, 3).reshape(-1, side * side, C)
        x = self.attn(x).view(B, rows, columns, side, side, C).transpose(2, 3)
        x = x.reshape(B, rows * side, columns * side, C)[:, :height, :width]
        return x.reshape(B, height * width, C)


def to_map(tokens: Tensor, size: Size) -> Tensor:
    """Return tokens (B, H W, C) as a map (B, C, H, W)."""
    return tokens.transpose(1, 2).unflatten(2, size)


def to_tokens(x: Tensor) -> Tensor:
    """Return a map (B, C, H, W) as tokens (B, H W, C)."""
    return x.flatten(2).transpose(1, 2)


def _split_heads(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Split (B, T, 3 C) into queries, keys and values, each (B, heads, T, d)."""
    q, k, v = qkv.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
    return q, k, v


def _join_heads(x: Tensor) -> Tensor:
    """Return (B, heads, T, d) as (B, T, heads d)."""
    return x.transpose(1, 2).flatten(2)


def _full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Return a context without autocast; the meta device has no autocast to switch off."""
    return nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)
