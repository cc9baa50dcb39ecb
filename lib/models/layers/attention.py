"""Channel attention of light residual blocks.

Global context: Cao et al., GCNet, ICCV Workshops 2019 (additive fusion only).
Squeeze-and-excitation: Hu et al., CVPR 2018. Not the global context *module* of Keypoint R-CNN,
which attends between positions.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

SQUEEZE = 16  # inner width = channels / 16, at least 16


def inner_width(channels: int) -> int:
    """Return the width of the hidden layer for maps of ``channels`` channels."""
    return max(channels // SQUEEZE, 16)


class GlobalContext(nn.Module):
    """Adds to all positions one vector, made from an attention-weighted mean over them.

    It starts as the identity: the last convolution is zero.

    Args:
        channels: of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = inner_width(channels)
        # The bias moves all logits alike and so does nothing; published checkpoints hold it.
        self.conv_mask = nn.Conv2d(channels, 1, 1)
        self.channel_add_conv = nn.Sequential(
            nn.Conv2d(channels, hidden, 1),
            nn.LayerNorm([hidden, 1, 1]),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 1),
        )
        nn.init.kaiming_normal_(self.conv_mask.weight, mode="fan_in", nonlinearity="relu")
        nn.init.zeros_(cast("Tensor", self.conv_mask.bias))
        for parameter in self.channel_add_conv[3].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return x + self.channel_add_conv(self.context(x))

    def context(self, x: Tensor) -> Tensor:
        """Return the weighted mean of (B, C, H, W) over its positions, (B, C, 1, 1)."""
        weights = self.conv_mask(x).flatten(2).softmax(dim=-1)  # (B, 1, H W)
        # A row times a matrix: 2-3 times as fast on the CPU as the matrix times a column.
        pooled = torch.bmm(weights, x.flatten(2).transpose(1, 2))  # (B, 1, C)
        return pooled.transpose(1, 2).unsqueeze(-1)

    def attention_macs(self, x: Tensor) -> int:
        """Return products of activations with activations for one map (B, C, H, W)."""
        return x.numel()


class SqueezeExcitation(nn.Module):
    """Scales each channel by a gate computed from the means of all channels.

    Args:
        channels: of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = inner_width(channels)
        self.fc = nn.Sequential(
            nn.Linear(channels, hidden, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return x * self.fc(x.mean(dim=(2, 3)))[..., None, None]


ATTENTIONS: dict[str, type[nn.Module]] = {"GC": GlobalContext, "SE": SqueezeExcitation}


def make_attention(name: str, channels: int) -> nn.Module:
    """Return attention ``name`` for maps of ``channels`` channels; ``''`` is none at all.

    Raises:
        ValueError: ``name`` is unknown.
    """
    if not name:
        return nn.Identity()
    if name not in ATTENTIONS:
        raise ValueError(f"attention must be one of {sorted(ATTENTIONS)} or '', got '{name}'")
    return ATTENTIONS[name](channels)
