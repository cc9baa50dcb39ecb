"""Transformer block of HRFormer (Yuan et al., HRFormer, NeurIPS 2021, Section 3).

Attention inside 7x7 windows that never shift; a depthwise convolution in the feed-forward part
carries information between them. Differs from the paper's drawing as its released code does: zero
padding is centred and takes part in the attention, and a GELU follows the last batch-norm.
Attribute names are those of the published checkpoints.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.models.layers.dot_product import attend
from lib.models.layers.drop_path import DropPath


def relative_position_index(window: int) -> Tensor:
    """Return (window^2, window^2) int64: row of the bias table for each (query, key) pair.

    Cells of a window are counted row by row; with ``d = query - key`` in cells the row is
    ``(dy + window - 1) * (2 * window - 1) + dx + window - 1``.
    """
    cells = torch.arange(window**2)
    y, x = cells // window, cells % window
    dy = y[:, None] - y[None, :] + window - 1
    dx = x[:, None] - x[None, :] + window - 1
    return dy * (2 * window - 1) + dx


class WindowSelfAttention(nn.Module):
    """Multi-head self-attention among the tokens of each window.

    Args:
        channels: width of a token, split evenly among the heads.
        heads: number of heads.
        window: side of the window in cells.
        rpe: add the learned relative-position bias to the logits. The table exists in any case, as
            in the published files; without ``rpe`` it is not trained.
    """

    relative_position_index: Tensor

    def __init__(self, channels: int, heads: int, window: int, rpe: bool = True) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels cannot be split among {heads} heads")
        self.heads = heads
        self.window = window
        self.rpe = rpe
        self.q_proj = nn.Linear(channels, channels)
        self.k_proj = nn.Linear(channels, channels)
        self.v_proj = nn.Linear(channels, channels)
        self.out_proj = nn.Linear(channels, channels)
        table = torch.empty((2 * window - 1) ** 2, heads)
        self.relative_position_bias_table = nn.Parameter(table, requires_grad=rpe)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", relative_position_index(window))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map windows of tokens (B, window^2, C) to the same shape."""
        q, k, v = (self._split(proj(tokens)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        bias = self._bias(q.dtype) if self.rpe else None
        mixed = attend(q, k, v, bias)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, N, C / heads)

    def _bias(self, dtype: torch.dtype) -> Tensor:
        rows = self.relative_position_bias_table[self.relative_position_index.flatten()]
        cells = self.window**2
        return rows.T.reshape(1, self.heads, cells, cells).to(dtype)

    def attention_macs(self, tokens: Tensor) -> int:
        """Return the products of queries with keys and of weights with values."""
        windows, cells, channels = tokens.shape
        return 2 * windows * cells * cells * channels

    def no_weight_decay(self) -> list[str]:
        """Return names of parameters that never decay."""
        return ["relative_position_bias_table"]


class WindowAttention(nn.Module):
    """Cuts a map into windows, lets the tokens of each attend to one another, puts it together.

    Args:
        channels, heads, window, rpe: see ``WindowSelfAttention``.
    """

    def __init__(self, channels: int, heads: int, window: int, rpe: bool = True) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowSelfAttention(channels, heads, window, rpe)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (B, H, W, C) to the same shape; any H and W.

        Zeros are put around the map, evenly and more to the bottom right, up to whole windows.
        They take part: their keys and values are the projections' biases.
        """
        side = self.window
        height, width = x.shape[1:3]
        extra_y, extra_x = -height % side, -width % side
        top, left = extra_y // 2, extra_x // 2
        x = F.pad(x, (0, 0, left, extra_x - left, top, extra_y - top))
        x = x.unflatten(2, (-1, side)).unflatten(1, (-1, side))  # (B, rows, S, columns, S, C)
        windows = x.transpose(2, 3)
        tokens = self.attn(windows.flatten(3, 4).flatten(0, 2))
        # -1, not the number of images: recordings for ONNX would freeze it.
        x = tokens.reshape(-1, *windows.shape[1:]).transpose(2, 3).flatten(3, 4).flatten(1, 2)
        return x[:, top : top + height, left : left + width]


class ConvFFN(nn.Module):
    """Feed-forward part: 1x1, depthwise 3x3 and 1x1 convolution, each with batch-norm and GELU."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.norm1 = nn.BatchNorm2d(hidden)
        self.dw3x3 = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.norm2 = nn.BatchNorm2d(hidden)
        self.fc2 = nn.Conv2d(hidden, channels, 1)
        self.norm3 = nn.BatchNorm2d(channels)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        x = self.act(self.norm1(self.fc1(x)))
        x = self.act(self.norm2(self.dw3x3(x)))
        return self.act(self.norm3(self.fc2(x)))


class TransformerBlock(nn.Module):
    """Window attention, then the feed-forward part, each after a layer-norm and beside a shortcut.

    Args:
        channels: width of the map.
        heads: attention heads.
        window: side of a window in cells.
        mlp_ratio: hidden width of the feed-forward part / ``channels``.
        drop_path: probability that a sample skips a part in training.
        rpe: use the relative-position bias.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        *,
        window: int = 7,
        mlp_ratio: int = 4,
        drop_path: float = 0.0,
        rpe: bool = True,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.attn = WindowAttention(channels, heads, window, rpe)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = ConvFFN(channels, channels * mlp_ratio)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape; fastest where ``x`` is channels-last in memory."""
        tokens = x.permute(0, 2, 3, 1)
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens)))
        x = tokens.permute(0, 3, 1, 2)
        return x + self.drop_path(self.mlp(self.norm2(tokens).permute(0, 3, 1, 2)))
