"""BiFPN (Tan, Pang and Le, EfficientDet, CVPR 2020): repeated top-down and bottom-up fusion."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import reduce

import torch
from timm.layers.pool2d_same import create_pool2d
from torch import Tensor, nn
from torch.nn import functional as F

from lib.models.layers.sizes import require_multiple
from lib.models.layers.total_fusion import glorot
from lib.models.registry import NECKS

EPSILON = 1e-4  # keeps the normalisation of all-negative weights finite


def plan(levels: int) -> list[tuple[int, tuple[int, ...]]]:
    """Return ``(level, inputs)`` of each node of a cell.

    Inputs are numbers in the row of all maps of the cell: its inputs, fine to coarse, then its
    nodes in order. The last ``levels`` nodes are its outputs, fine to coarse.
    """
    top = levels - 1
    nodes: list[tuple[int, tuple[int, ...]]] = []
    newest = top
    top_down: dict[int, tuple[int, ...]] = {top: ()}
    for level in range(top - 1, -1, -1):
        nodes.append((level, (level, newest)))
        newest = top + len(nodes)
        top_down[level] = (newest,)
    for level in range(1, levels):
        nodes.append((level, (level, *top_down[level], newest)))
        newest = top + len(nodes)
    return nodes


class BiFPN(nn.Module):
    """Five levels: those of the backbone, and coarser ones by pooling.

    Args:
        in_channels: channels of the maps, fine to coarse.
        in_strides: their strides; each twice the one before.
        channels: channels of every output.
        repeats: number of cells.
        levels: number of outputs.

    Attributes:
        out_channels: ``channels`` for each level.
        out_strides: strides of the outputs in input pixels.
        size_multiple: both sides of the images must be multiples of this.

    Raises:
        ValueError: the strides do not double, or there are more maps than ``levels``.
    """

    recomputable = ("cell.*",)

    def __init__(
        self,
        in_channels: Sequence[int],
        in_strides: Sequence[int],
        *,
        channels: int = 64,
        repeats: int = 3,
        levels: int = 5,
    ) -> None:
        super().__init__()
        strides = tuple(in_strides[0] * 2**level for level in range(levels))
        if strides[: len(in_strides)] != tuple(in_strides):
            raise ValueError(
                f"BiFPN of {levels} levels takes at most as many maps, with strides that double, "
                f"got {tuple(in_strides)}"
            )
        self.out_channels = (channels,) * levels
        self.out_strides = strides
        self.size_multiple = strides[-1]
        self.extra = _projection(in_channels[-1], channels)
        self.pools = nn.ModuleList(_halve() for _ in range(levels - len(in_channels)))
        widths = [*in_channels, *[channels] * len(self.pools)]
        self.cell = nn.Sequential(
            *(
                _Cell(widths if index == 0 else self.out_channels, channels)
                for index in range(repeats)
            )
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Map a list of (B, C_i, H_i, W_i) to ``levels`` maps (B, channels, H_i, W_i).

        Raises:
            ValueError: the finest map cannot be halved often enough without a remainder.
        """
        require_multiple(maps[0], self.out_strides[0], self.size_multiple, "BiFPN")
        maps = list(maps)
        coarse = self.extra(maps[-1])
        for pool in self.pools:
            coarse = pool(coarse)
            maps.append(coarse)
        return self.cell(maps)

    def init_weights(self) -> None:
        """Start all convolutions by Glorot's rule, biases at 0."""
        glorot(self)


class _Cell(nn.Module):
    """One pass down and up through all levels."""

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        count = len(in_channels)
        nodes = plan(count)
        levels = [*range(count), *(level for level, _ in nodes)]
        widths = [*in_channels, *[channels] * len(nodes)]
        self.nodes = nn.ModuleList(
            _Node({index: (widths[index], levels[index] - level) for index in inputs}, channels)
            for level, inputs in nodes
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Map one map per level to one map per level, of the same sizes."""
        row = list(maps)
        for node in self.nodes:
            row.append(node(row))
        return row[-len(maps) :]


class _Node(nn.Module):
    """Weighted sum of some maps, SiLU, separable convolution.

    Args:
        inputs: number of a map in the cell's row -> its channels, and by how many levels it is
            coarser than the node.
        channels: channels of the output.
    """

    def __init__(self, inputs: dict[int, tuple[int, int]], channels: int) -> None:
        super().__init__()
        self.inputs = tuple(inputs)
        self.weights = nn.Parameter(torch.ones(len(inputs)))
        self.proj = nn.ModuleList(_projection(width, channels) for width, _ in inputs.values())
        self.resize = nn.ModuleList(_RESIZE[steps]() for _, steps in inputs.values())
        self.conv = nn.Sequential(
            OrderedDict(
                conv_dw=nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
                conv_pw=nn.Conv2d(channels, channels, 1),
                bn=nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01),
            )
        )

    def forward(self, row: list[Tensor]) -> Tensor:
        """Map all maps of the cell so far to (B, channels, H, W) of this node."""
        weights = F.relu(self.weights)
        weights = weights / (weights.sum() + EPSILON)
        terms = (
            resize(project(row[index])) * weight
            for index, project, resize, weight in zip(
                self.inputs, self.proj, self.resize, weights, strict=True
            )
        )
        return self.conv(F.silu(reduce(torch.add, terms)))


def _projection(in_channels: int, channels: int) -> nn.Module:
    """Return a 1x1 convolution with bias and batch-norm, or nothing where the channels agree."""
    if in_channels == channels:
        return nn.Identity()
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(in_channels, channels, 1),
            bn=nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01),
        )
    )


def _halve() -> nn.Module:
    return create_pool2d("max", 3, stride=2, padding="same")


def _double() -> nn.Module:
    return nn.Upsample(scale_factor=2, mode="nearest")


# Levels by which an input is coarser than its node -> what brings it there.
_RESIZE = {-1: _halve, 0: nn.Identity, 1: _double}

NECKS.register("bifpn")(BiFPN)
