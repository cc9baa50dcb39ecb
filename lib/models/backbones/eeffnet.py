"""EfficientNet at twice the resolution, and EEffNet, which keeps its fine maps alive.

Trunk: Tan and Le, EfficientNet, ICML 2019, from timm, with stride 1 in the stem, so that the taps
lie at 1/4, 1/8 and 1/16. EEffNet (MEMe, Sensors 2022, 22(2), 632): from the stage after a tap on,
copies of the tapped block run beside the trunk; TotalFusion joins all branches after every stage.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import timm
from timm.layers.drop import DropPath
from torch import Tensor, nn

from lib.models.layers.sizes import require_multiple
from lib.models.layers.total_fusion import TotalFusion, init_fusions
from lib.models.registry import BACKBONES

TAPS = (2, 4, 6)  # stages whose last block is an output, or the model of a branch
STRIDES = (4, 8, 16)
STAGES = 7


class EffNet(nn.Module):
    """EfficientNet with a stem of stride 1 and three outputs.

    Args:
        variant: timm's name of a network of EfficientNet's shape, as ``tf_efficientnet_b0`` or
            ``mobilenetv2_050``: seven stages, two blocks or more in those that are tapped.
        drop_path: rate of stochastic depth that the last block would have; it grows linearly.

    Raises:
        ValueError: timm's network of that name has another shape.

    Attributes:
        out_channels: channels of the three maps.
        out_strides: (4, 8, 16).
        size_multiple: both sides of the images must be multiples of this.
    """

    size_multiple = STRIDES[-1]
    recomputable: tuple[str, ...] = ("blocks.*.*",)
    blocks: Any  # a sequence of stages, each a sequence of timm's blocks

    def __init__(self, variant: str = "tf_efficientnet_b0", drop_path: float = 0.2) -> None:
        super().__init__()
        trunk: Any = timm.create_model(variant, drop_path_rate=drop_path)
        if len(getattr(trunk, "blocks", ())) != STAGES:
            raise ValueError(f"{variant} does not have EfficientNet's {STAGES} stages")
        if min(len(trunk.blocks[tap]) for tap in TAPS[:-1]) < 2:
            raise ValueError(f"{variant} has a single block in stage {TAPS[0]} or {TAPS[1]}")
        trunk.conv_stem.stride = (1, 1)  # its padding follows: it is computed from the stride
        self.conv_stem = trunk.conv_stem
        self.bn1 = trunk.bn1  # holds the activation as well
        self.blocks = trunk.blocks
        self.out_channels = tuple(_width(self.blocks[stage][-1]) for stage in TAPS)
        self.out_strides = STRIDES

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (B, 3, H, W) to maps at 1/4, 1/8 and 1/16.

        Raises:
            ValueError: a side of the images is not a multiple of 16.
        """
        maps: list[Tensor] = []
        x = self.stem(images)
        for stage, block in enumerate(self.blocks):
            x = block(x)
            if stage in TAPS:
                maps.append(x)
        return maps

    def stem(self, images: Tensor) -> Tensor:
        """Map images (B, 3, H, W) to (B, C, H, W), after checking their size."""
        require_multiple(images, 1, self.size_multiple, type(self).__name__)
        return self.bn1(self.conv_stem(images))

    def init_weights(self) -> None:
        """Keep what timm's constructor drew (EfficientNet's own initialisation)."""


class EEffNet(EffNet):
    """EffNet whose tapped resolutions go on as branches beside the trunk.

    Args:
        variant: as in ``EffNet``.
        drop_path: as in ``EffNet``; branches and fusions take the rates of the trunk beside them.
    """

    recomputable = ("blocks.*.*", "extra.*.*.*", "fuse.*")

    def __init__(self, variant: str = "tf_efficientnet_b0", drop_path: float = 0.2) -> None:
        super().__init__(variant, drop_path)
        self.extra: Any = nn.ModuleDict()  # stage -> branches beside the trunk
        self.fuse: Any = nn.ModuleDict()  # stage -> TotalFusion after it
        for stage in range(TAPS[0] + 1, len(self.blocks)):
            trunk = self.blocks[stage]
            models = [self.blocks[tap][-1] for tap in TAPS if tap < stage]
            self.extra[str(stage)] = nn.ModuleList(_branch(model, trunk) for model in models)
            widths = [_width(block) for block in (*models, trunk[-1])]
            self.fuse[str(stage)] = TotalFusion(widths, widths, _rate(trunk[-1]))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (B, 3, H, W) to maps at 1/4, 1/8 and 1/16, all of the last fusion.

        Raises:
            ValueError: a side of the images is not a multiple of 16.
        """
        x = self.stem(images)
        for block in self.blocks[: TAPS[0] + 1]:
            x = block(x)
        maps = [x]
        for stage, branches in self.extra.items():
            # A stage with a new branch reads the coarsest map twice: for it and for the trunk.
            outputs = [branch(x) for branch, x in zip(branches, maps, strict=False)]
            outputs.append(self.blocks[int(stage)](maps[-1]))
            maps = self.fuse[stage](outputs)
        return maps

    def init_weights(self) -> None:
        """Start the fusions by their own rule; trunk and branches keep timm's initialisation."""
        init_fusions(self)


def _branch(model: nn.Module, trunk: nn.Sequential) -> nn.Sequential:
    """Return as many independent copies of ``model`` as ``trunk`` has blocks, with its rates."""
    copies = [deepcopy(model) for _ in trunk]
    for copy, block in zip(copies, trunk, strict=True):
        copy.drop_path = DropPath(_rate(block))
    return nn.Sequential(*copies)


def _rate(block: Any) -> float:
    return getattr(block.drop_path, "drop_prob", 0.0)


def _width(block: Any) -> int:
    return block.conv_pwl.out_channels


BACKBONES.register("effnet")(EffNet)
BACKBONES.register("eeffnet")(EEffNet)
