"""The multi-resolution skeleton of the HR networks.

Sun et al., Deep High-Resolution Representation Learning, CVPR 2019, Section 3: stem, bottlenecks,
then stages of parallel branches at 1/4, 1/8, 1/16, 1/32 that exchange their maps after every
module. HRNet and HRFormer differ in two arguments only: which block fills a branch, and in which
style branches are fused. Attribute names are those of the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from lib.models.layers.blocks import BLOCKS, conv_bn, make_layer


@dataclass(frozen=True)
class Place:
    """Where in the trunk a block stands.

    Attributes:
        stage: 2, 3 or 4.
        branch: 0 is the finest.
        depth: number of blocks before it on its branch, counted from stage 2 over all stages
            (so blocks side by side have the same depth).
    """

    stage: int
    branch: int
    depth: int


BlockFactory = Callable[[int, Place], nn.Module]  # channels in and out, place -> block


@dataclass(frozen=True)
class FusionStyle:
    """How a map travels between branches.

    Attributes:
        down: layers of one stride-2 step from ``in`` to ``out`` channels.
        up: interpolation mode of the way up, ``nearest`` or ``bilinear`` (corners not aligned).
    """

    down: Callable[[int, int], Sequence[nn.Module]]
    up: str


@dataclass(frozen=True)
class Stage:
    """Size of stage 2, 3 or 4.

    Attributes:
        modules: modules in a row; branches are fused after each.
        blocks: blocks per branch in each module, one entry per branch.
        channels: width of each branch, fine to coarse.
    """

    modules: int
    blocks: tuple[int, ...]
    channels: tuple[int, ...]


@dataclass(frozen=True)
class Stem:
    """Size of what precedes stage 2: two stride-2 convolutions, then residual blocks.

    Attributes:
        width: channels of the two convolutions.
        block: name of the residual block, a key of ``layers.blocks.BLOCKS``.
        blocks: how many of them.
        channels: their inner width (a bottleneck gives out four times as many channels).
    """

    width: int = 64
    block: str = "BOTTLENECK"
    blocks: int = 4
    channels: int = 64


class HRModule(nn.Module):
    """Branches side by side, then the exchange between them.

    Args:
        branches: one sequence of blocks per branch.
        channels: their widths.
        style: how maps are brought to another branch's size.
        outputs: how many branches, from the finest, receive the others' maps.
    """

    def __init__(
        self,
        branches: Sequence[nn.Module],
        channels: Sequence[int],
        style: FusionStyle,
        outputs: int,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        sources = range(len(channels))
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_path(source, target, channels, style) for source in sources)
            for target in range(outputs)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Run the branches and fuse; branches that receive nothing pass as they are.

        Args:
            maps: one (B, C_i, H / 2^i, W / 2^i) per branch.

        Returns:
            As many maps of the same shapes.
        """
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        fused: list[Tensor] = []
        for row in self.fuse_layers:
            assert isinstance(row, nn.ModuleList)
            total = row[0](maps[0])
            for path, x in zip(row[1:], maps[1:], strict=True):
                total = total + path(x)
            fused.append(self.relu(total))
        return fused + maps[len(fused) :]


def _path(source: int, target: int, channels: Sequence[int], style: FusionStyle) -> nn.Module:
    """Return the layers that bring a map from branch ``source`` to branch ``target``."""
    here, there = channels[source], channels[target]
    if source == target:
        return nn.Identity()
    if source > target:
        aligned: dict[str, Any] = {} if style.up == "nearest" else {"align_corners": False}
        up = nn.Upsample(scale_factor=float(2 ** (source - target)), mode=style.up, **aligned)
        return nn.Sequential(*conv_bn(here, there, 1), up)
    steps = target - source
    early = [
        nn.Sequential(*style.down(here, here), nn.ReLU(inplace=True)) for _ in range(steps - 1)
    ]
    return nn.Sequential(*early, nn.Sequential(*style.down(here, there)))


class Transition(nn.ModuleList):
    """Hands a stage's maps to the next one, which has one branch more."""

    def __init__(self, before: Sequence[int], after: Sequence[int]) -> None:
        super().__init__(_handover(index, before, after) for index in range(len(after)))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Map the stage's maps to one per branch of the next; new ones come from the coarsest."""
        return [layer(maps[min(i, len(maps) - 1)]) for i, layer in enumerate(self)]


def _handover(index: int, before: Sequence[int], after: Sequence[int]) -> nn.Module:
    """Return the layers that feed branch ``index`` of the next stage."""
    if index < len(before):
        if before[index] == after[index]:
            return nn.Identity()
        return nn.Sequential(*conv_bn(before[index], after[index], 3), nn.ReLU(inplace=True))
    steps = index - len(before) + 1
    widths = [before[-1]] * steps + [after[index]]
    return nn.Sequential(
        *(
            nn.Sequential(*conv_bn(here, there, 3, stride=2), nn.ReLU(inplace=True))
            for here, there in pairwise(widths)
        )
    )


class MultiResolution(nn.Module):
    """Trunk that keeps a high-resolution branch from start to end.

    A sub-class may add maps of its own: it overrides ``side_maps`` and ``inject``.

    Args:
        stages: sizes of stages 2, 3 and 4.
        make_block: returns the block for ``(channels, place)``.
        style: how branches are fused.
        stem: size of what precedes stage 2.

    Attributes:
        out_channels: widths of the four branches.
        out_strides: (4, 8, 16, 32).
        size_multiple: what height and width of the images must be multiples of.
    """

    recomputable = ("layer1.*", "stage?.*")

    def __init__(
        self,
        stages: Sequence[Stage],
        make_block: BlockFactory,
        style: FusionStyle,
        stem: Stem,
    ) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(3, stem.width, 3, stride=2)
        self.conv2, self.bn2 = conv_bn(stem.width, stem.width, 3, stride=2)
        self.relu = nn.ReLU(inplace=True)
        block = BLOCKS[stem.block]
        self.layer1 = make_layer(
            block, stem.width, stem.channels, stem.blocks, expansion=block.expansion
        )
        before = (stem.channels * block.expansion,)
        depth = 0
        for number, stage in enumerate(stages, start=2):
            last = number == len(stages) + 1
            self.add_module(f"transition{number - 1}", Transition(before, stage.channels))
            self.add_module(
                f"stage{number}", _build_stage(number, stage, depth, make_block, style, last)
            )
            before = stage.channels
            depth += stage.modules * max(stage.blocks)
        self.num_stages = len(stages)
        self.out_channels = tuple(before)
        self.out_strides = tuple(4 * 2**branch for branch in range(len(before)))
        self.size_multiple = self.out_strides[-1]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (B, 3, H, W) to ``[y0, x1, x2, x3]``, (B, C_i, H / 4 / 2^i, W / 4 / 2^i).

        ``y0`` has received the other branches; ``x1`` ... are the outputs of the last module's
        branches before its exchange.

        Raises:
            ValueError: H or W is not a multiple of the coarsest stride.
        """
        self._check_size(images)
        side = self.side_maps(images)
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.relu(self.bn2(self.conv2(x)))
        maps = [self.layer1(self.inject(0, x, side))]
        for level in range(1, self.num_stages + 1):
            maps = self.get_submodule(f"transition{level}")(maps)
            maps[-1] = self.inject(level, maps[-1], side)
            maps = self.get_submodule(f"stage{level + 1}")(maps)
        return maps

    def side_maps(self, images: Tensor) -> Any:
        """Return what ``inject`` will need from the images (B, 3, H, W); nothing here."""
        return None

    def inject(self, level: int, x: Tensor, side: Any) -> Tensor:
        """Return ``x``, the stem's map (level 0) or the newest branch's after transition ``level``.

        Args:
            level: 0 ... 3; ``x`` is (B, C, H, W) at stride 4 x 2^level (4 for level 0).
            x: the map.
            side: what ``side_maps`` returned.
        """
        return x

    def _check_size(self, images: Tensor) -> None:
        height, width = images.shape[-2:]
        if height % self.size_multiple or width % self.size_multiple:
            raise ValueError(
                f"image height and width must be multiples of {self.size_multiple}, "
                f"got {height}x{width}"
            )


def _build_stage(
    number: int,
    stage: Stage,
    depth: int,
    make_block: BlockFactory,
    style: FusionStyle,
    last: bool,
) -> nn.Sequential:
    """Return the modules of one stage; only branch 0 of the very last one receives other maps."""
    modules: list[nn.Module] = []
    for index in range(stage.modules):
        start = depth + index * max(stage.blocks)
        branches = [
            nn.Sequential(
                *(make_block(width, Place(number, branch, start + k)) for k in range(count))
            )
            for branch, (width, count) in enumerate(zip(stage.channels, stage.blocks, strict=True))
        ]
        single = last and index == stage.modules - 1
        outputs = 1 if single else len(stage.channels)
        modules.append(HRModule(branches, stage.channels, style, outputs))
    return nn.Sequential(*modules)
