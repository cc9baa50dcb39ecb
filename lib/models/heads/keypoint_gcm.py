"""Keypoint head of the one-stage model: convolutions with Global Context Modules between them.

Improved Keypoint R-CNN (arXiv 2301.04842). The module is a pre-activation residual block around
multi-head self-attention with two-dimensional relative positions (Srinivas et al. 2021, Bottleneck
Transformers; Shaw et al. 2018). Follows the released code where the paper's figure differs: the
1x1 reduction comes first, so every module runs at the full width, and both branches start with
batch-norm and ReLU. Not to be confused with LPN's global-context attention (a pooled vector).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lib.utils.precision import without_autocast


def relative_positions(table: Tensor, length: int) -> Tensor:
    """Lay out (2L - 1, d) embeddings of the offsets ``-(L-1)..L-1`` as (L, L, d).

    Entry ``[i, j]`` belongs to a query at ``i`` and a key at ``j``: row ``j - i + L - 1``.
    """
    steps = torch.arange(length, device=table.device)
    return table[steps[None, :] - steps[:, None] + length - 1]


class RelativePosition(nn.Module):
    """Logits of self-attention that depend on where a key lies relative to its query.

    Args:
        size: side S of the square map.
        dim: channels d of a head's query.
    """

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.size = size
        self.rel_height = nn.Parameter(torch.randn(2 * size - 1, dim) * dim**-0.5)
        self.rel_width = nn.Parameter(torch.randn(2 * size - 1, dim) * dim**-0.5)

    def forward(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """Map queries (N, heads, S*S, d) to row and column logits, each (N, heads, S, S, S).

        ``rows[..., y, x, Y]`` and ``columns[..., y, x, X]`` are to be added to the logit of the
        query at ``(x, y)`` and the key at ``(X, Y)``.
        """
        query = query.unflatten(2, (self.size, self.size))
        height = relative_positions(self.rel_height, self.size).to(query.dtype)
        width = relative_positions(self.rel_width, self.size).to(query.dtype)
        rows = query @ height.transpose(1, 2)  # batched over y
        columns = (query.transpose(2, 3) @ width.transpose(1, 2)).transpose(2, 3)
        return rows, columns


class RelativeSelfAttention(nn.Module):
    """Multi-head self-attention over the cells of a map, without output projection or dropout.

    Args:
        channels: C, a multiple of ``heads``.
        heads: number of heads, C / heads channels each.
        size: side S of the square maps this module takes.

    Raises:
        ValueError: C is not a multiple of ``heads``.
    """

    def __init__(self, channels: int, heads: int, size: int) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels do not divide into {heads} heads")
        self.heads, self.size = heads, size
        self.scale = (channels // heads) ** -0.5
        self.to_qk = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.to_v = nn.Conv2d(channels, channels, 1, bias=False)
        self.pos_emb = RelativePosition(size, channels // heads)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, S, S) to (N, C, S, S).

        Raises:
            ValueError: the map is not S x S.
        """
        if x.shape[2:] != (self.size, self.size):
            wanted = f"{self.size}x{self.size}"
            raise ValueError(f"the maps must be {wanted}, got {x.shape[2]}x{x.shape[3]}")
        query, key = self.to_qk(x).chunk(2, dim=1)
        value = self._split(self.to_v(x))
        weights = self._weights(self._split(query), self._split(key))
        out = weights.to(value.dtype) @ value  # (N, heads, S*S, d)
        return out.transpose(2, 3).reshape(x.shape)

    def attention_macs(self, x: Tensor) -> int:
        """Return the products between activations: logits, positions on two axes, values."""
        count, channels, height, width = x.shape
        cells = height * width
        return count * channels * cells * (2 * cells + height + width)

    def _weights(self, query: Tensor, key: Tensor) -> Tensor:
        """Return the attention (N, heads, S*S queries, S*S keys), float32 also under autocast."""
        with without_autocast(query.device):
            query, key = query.float() * self.scale, key.float()
            rows, columns = self.pos_emb(query)
            places = rows[..., :, None] + columns[..., None, :]  # (N, heads, y, x, Y, X)
            places = places.flatten(4).flatten(2, 3).flatten(0, 1)
            logits = torch.baddbmm(places, query.flatten(0, 1), key.flatten(0, 1).transpose(1, 2))
            # Backward keeps one map per module, that of the softmax: 150 MiB at 256 RoIs.
            return logits.softmax(dim=-1).unflatten(0, (-1, self.heads))

    def _split(self, x: Tensor) -> Tensor:
        """(N, heads * d, S, S) -> (N, heads, S*S, d), head-major."""
        return x.flatten(2).unflatten(1, (self.heads, -1)).transpose(2, 3)


class GCM(nn.Module):
    """Global Context Module: ``y = x + MHSA(relu(bn(x)))``, ``out = y + conv(relu(bn(y)))``.

    Args:
        channels: C of input and output.
        heads: heads of the attention.
        size: side S of the square maps.
        bn_init: ``uniform`` draws the batch-norm scales from U(0, 1) as published, ``one`` sets 1.
    """

    def __init__(self, channels: int, heads: int = 4, size: int = 14, bn_init: str = "uniform"):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.mhsa = RelativeSelfAttention(channels, heads, size)
        self.norm2 = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        if bn_init == "uniform":
            nn.init.uniform_(self.norm1.weight)
            nn.init.uniform_(self.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, S, S) to (N, C, S, S)."""
        x = x + self.mhsa(self.norm1(x).relu())
        return x + self.conv(self.norm2(x).relu())


class KeypointGCMHead(nn.Module):
    """1x1 reduction, then 3x3 convolutions, with a GCM before every ``gcm_every``-th of them.

    Args:
        in_channels: channels of the pooled features.
        dim: channels C of all layers.
        convs: number of 3x3 convolutions.
        gcm_every: a GCM comes before convolution ``i = 1, 1 + gcm_every, ...`` (counted from 1).
        heads: attention heads.
        size: side S of the pooled maps.
        bn_init: see ``GCM``.
    """

    def __init__(
        self,
        in_channels: int,
        dim: int = 512,
        convs: int = 8,
        *,
        gcm_every: int = 4,
        heads: int = 4,
        size: int = 14,
        bn_init: str = "uniform",
    ) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(in_channels, dim, 1)
        for i in range(1, convs + 1):
            if gcm_every == 1 or i % gcm_every == 1:
                self.add_module(f"gcm{i}", GCM(dim, heads, size, bn_init))
            self.add_module(f"conv{i}", nn.Conv2d(dim, dim, 3, padding=1))
        self.apply(init_convolution)

    def forward(self, x: Tensor) -> Tensor:
        """Map pooled features (N, in_channels, S, S) to (N, C, S, S)."""
        for layer in self.children():  # in the order of construction
            x = layer(x) if isinstance(layer, GCM) else layer(x).relu()
        return x


def init_convolution(module: nn.Module) -> None:
    """Draw a convolution's weights by He et al. 2015 (fan-out, ReLU) and zero its bias."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
