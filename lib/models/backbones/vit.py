"""ViT without class token, as ViTPose uses it: one map at 1/16.

Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021; Xu et al., ViTPose, NeurIPS 2022.
Attribute names are those of the ViTPose repository. The patches are cut from images with a border
of two pixels, as published, and the last map goes through a final layer norm.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lib.models.encoder_keys import EncoderKeys
from lib.models.layers.dot_product import attend
from lib.models.layers.drop_path import DropPath
from lib.models.layers.mlp import Mlp
from lib.models.layers.position import Grid
from lib.models.registry import BACKBONES

PATCH = 16  # pixels, side and stride
BORDER = 2  # pixels of zeros around the image
EPS = 1e-6
STD = 0.02  # of fresh weights, truncated at two deviations of 1


class Attention(nn.Module):
    """Multi-head self-attention among all tokens.

    Args:
        channels: width of a token, split evenly among the heads.
        heads: number of heads.

    Raises:
        ValueError: the channels cannot be split so.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels cannot be split among {heads} heads")
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)  # rows: all queries, all keys, all values
        self.proj = nn.Linear(channels, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, N, C) to the same shape."""
        parts = self.qkv(tokens).unflatten(2, (3, self.heads, -1))  # (B, N, 3, heads, C / heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = attend(q, k, v)
        return self.proj(mixed.transpose(1, 2).flatten(2))

    def attention_macs(self, tokens: Tensor) -> int:
        """Return the products of queries with keys and of weights with values."""
        batch, count, channels = tokens.shape
        return 2 * batch * count * count * channels


class Block(nn.Module):
    """Attention, then the MLP, each after a layer norm and beside a shortcut.

    Args:
        channels: width of a token.
        heads: attention heads.
        hidden: width inside the MLP.
        drop_path: probability that a sample skips a part in training.
    """

    def __init__(self, channels: int, heads: int, hidden: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=EPS)
        self.attn = Attention(channels, heads)
        self.norm2 = nn.LayerNorm(channels, eps=EPS)
        self.mlp = Mlp(channels, hidden)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, N, C) to the same shape."""
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens)))
        return tokens + self.drop_path(self.mlp(self.norm2(tokens)))


class PatchEmbed(nn.Module):
    """One convolution that makes a token of each patch."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, channels, PATCH, PATCH, BORDER)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 3, H, W) to tokens (B, H / 16 x W / 16, C), row by row."""
        return self.proj(images).flatten(2).transpose(1, 2)


@BACKBONES.register("vit")
class ViT(nn.Module):
    """A plain vision transformer.

    Args:
        input_size: ``(width, height)`` of the images, multiples of 16 pixels.
        embed_dim: width C of a token.
        depth: number of blocks.
        num_heads: attention heads of a block.
        mlp_ratio: width inside the MLP / ``embed_dim``.
        drop_path: rate of stochastic depth of the last block; it grows linearly from 0.

    Attributes:
        out_channels, out_strides: of the one map that comes out.
        grid: ``(rows, columns)`` of patches.
        key_map: fits files of encoders.
        num_layers: number of the last layer for layer-wise learning rates, see ``layer_id``.

    Raises:
        ValueError: the width cannot be split among the heads, or the images into patches.
    """

    recomputable = ("blocks.*",)

    def __init__(
        self,
        input_size: Sequence[int] | None = None,
        *,
        embed_dim: int = 384,
        depth: int = 12,
        num_heads: int = 12,
        mlp_ratio: float = 4,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        if input_size is None:
            raise ValueError("a plain transformer takes images of one size only; give INPUT_SIZE")
        width, height = input_size
        if width % PATCH or height % PATCH:
            raise ValueError(f"sides must be multiples of {PATCH} pixels, got {[width, height]}")
        self.grid: Grid = (height // PATCH, width // PATCH)
        self.patch_embed = PatchEmbed(embed_dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, self.grid[0] * self.grid[1], embed_dim))
        hidden = round(embed_dim * mlp_ratio)
        rates = [drop_path * number / max(1, depth - 1) for number in range(depth)]
        self.blocks = nn.ModuleList(Block(embed_dim, num_heads, hidden, rate) for rate in rates)
        self.last_norm = nn.LayerNorm(embed_dim, eps=EPS)
        self.out_channels = (embed_dim,)
        self.out_strides = (PATCH,)
        self.num_layers = depth + 1
        self.key_map = EncoderKeys(self.grid)
        self.init_weights()

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (B, 3, H, W) to one map (B, C, H / 16, W / 16).

        Raises:
            ValueError: the images have another size than the network was made for.
        """
        rows, columns = self.grid
        if images.shape[2] // PATCH != rows or images.shape[3] // PATCH != columns:
            raise ValueError(
                f"this network takes images of {columns * PATCH} x {rows * PATCH} pixels, got "
                f"{images.shape[3]} x {images.shape[2]}"
            )
        tokens = self.patch_embed(images) + self.pos_embed
        for block in self.blocks:
            tokens = block(tokens)
        return [self.last_norm(tokens).transpose(1, 2).unflatten(2, self.grid)]

    def init_weights(self) -> None:
        """Draw linear layers and the table of positions from a truncated N(0, 0.02), biases 0.

        The convolution of the patches keeps PyTorch's default, as in the ViTPose repository.
        """
        nn.init.trunc_normal_(self.pos_embed, std=STD)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=STD)
                nn.init.zeros_(module.bias)

    def no_weight_decay(self) -> list[str]:
        """Return names of parameters that never decay."""
        return ["pos_embed"]

    def layer_id(self, name: str) -> int:
        """Return the number of the layer that a parameter belongs to.

        Args:
            name: of the parameter, relative to this module.

        Returns:
            0 for patches and positions, i + 1 for block i, ``num_layers`` for the final norm (as
            for everything behind it).
        """
        part, _, rest = name.partition(".")
        if part in ("patch_embed", "pos_embed"):
            return 0
        return int(rest.partition(".")[0]) + 1 if part == "blocks" else self.num_layers
