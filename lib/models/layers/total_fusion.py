"""TotalFusion: every resolution sees every other one, then mixes (MEMe, Sensors 2022, 22(2), 632).

The layer of EEffNet (after each stage with several branches) and of TFNeck.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce

import torch
from timm.layers.drop import DropPath
from timm.models._efficientnet_blocks import InvertedResidual, SqueezeExcite
from torch import Tensor, nn
from torch.nn import functional as F

EXPANSION = 6  # inner width of the mix-up block / its channels
SQUEEZE = 0.25  # squeezed channels of the mix-up block / its channels
EPSILON = 1e-5  # keeps the normalisation of all-negative weights finite


def projection(in_channels: int, out_channels: int) -> nn.Module:
    """Return a 1x1 convolution with batch-norm, or nothing where the channels already agree."""
    if in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01),
    )


class AddUp(nn.Module):
    """Weighted sum of all maps at the size and width of one of them.

    A coarser map is projected and enlarged bilinearly with aligned corners; a finer one is
    max-pooled and then projected. Each channel has a weight per map; they are made positive and
    sum to 1.

    Args:
        in_channels: channels of the maps, fine to coarse, each half the size of the one before.
        level: index of the map whose size the sum has.
        out_channels: channels of the sum.
    """

    def __init__(self, in_channels: Sequence[int], level: int, out_channels: int) -> None:
        super().__init__()
        self.level = level
        self.proj = nn.ModuleList(projection(width, out_channels) for width in in_channels)
        count = len(in_channels)
        self.weights = nn.Parameter(torch.full((count, out_channels, 1, 1), 1 / count))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Map a list of (B, C_i, H_i, W_i) to (B, C, H, W) of the chosen level, SiLU applied."""
        weights = F.relu(self.weights)
        weights = weights / (weights.sum(dim=0) + EPSILON)
        terms = (self._resample(index, x) * weights[index] for index, x in enumerate(maps))
        return F.silu(reduce(torch.add, terms), inplace=True)

    def _resample(self, index: int, x: Tensor) -> Tensor:
        steps = index - self.level
        if steps < 0:
            x = F.max_pool2d(x, 2**-steps)
        x = self.proj[index](x)
        if steps > 0:
            x = F.interpolate(x, scale_factor=2.0**steps, mode="bilinear", align_corners=True)
        return x


class TotalFusion(nn.Module):
    """One output per map: the weighted sum of all maps, mixed, plus the map itself.

    The mix-up block is an MBConv (5x5, expansion 6, squeeze-excite) without a skip of its own; its
    batch-norms have PyTorch's epsilon 1e-5, unlike all others of the network. Drop path acts on
    the mixed part although that block has no skip.

    Args:
        in_channels: channels of the maps, fine to coarse, each half the size of the one before.
        out_channels: channels of the outputs.
        drop_path: probability of leaving out the mixed part of a sample in training.
    """

    def __init__(
        self, in_channels: Sequence[int], out_channels: Sequence[int], drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.add = nn.ModuleList(
            AddUp(in_channels, level, width) for level, width in enumerate(out_channels)
        )
        self.mix = nn.ModuleList(_mix_up(width) for width in out_channels)
        self.fix = nn.ModuleList(
            projection(before, after)
            for before, after in zip(in_channels, out_channels, strict=True)
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Map a list of (B, C_i, H_i, W_i) to maps of the same sizes."""
        return [
            self.drop_path(mix(add(maps))) + fix(x)
            for add, mix, fix, x in zip(self.add, self.mix, self.fix, maps, strict=True)
        ]


def init_fusions(part: nn.Module) -> None:
    """Start the mix-up blocks of every TotalFusion in ``part`` by Glorot's rule.

    Projections keep PyTorch's default.
    """
    for module in part.modules():
        if isinstance(module, TotalFusion):
            glorot(module.mix)


def glorot(part: nn.Module) -> None:
    """Draw convolution weights from Glorot's uniform distribution and clear their biases.

    A depthwise kernel counts as what it is: both fans are its area (torch's own function takes the
    number of channels for the second one).
    """
    for module in part.modules():
        if isinstance(module, nn.Conv2d):
            area = module.kernel_size[0] * module.kernel_size[1]
            fans = (module.in_channels + module.out_channels) * area / module.groups
            limit = (6 / fans) ** 0.5
            nn.init.uniform_(module.weight, -limit, limit)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _mix_up(channels: int) -> InvertedResidual:
    # timm takes the squeeze ratio relative to the expanded width.
    squeeze = partial(SqueezeExcite, rd_ratio=SQUEEZE / EXPANSION)
    return InvertedResidual(
        channels,
        channels,
        dw_kernel_size=5,
        noskip=True,
        exp_ratio=EXPANSION,
        act_layer=nn.SiLU,
        se_layer=squeeze,  # pyright: ignore[reportArgumentType] - annotated as a class, called
    )
