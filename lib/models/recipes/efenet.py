"""``pose_efenet``: HRFormer, the sub-pixel feature enhancement module, full-resolution heatmaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yacs.config import CfgNode

from lib.models.recipes.hrformer import TRUNK_EXTRA, build_trunk, from_mmpose
from lib.models.registry import RECIPES, PrefixMap, Recipe, StateDict
from lib.utils.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

EXTRA = TRUNK_EXTRA.clone()
EXTRA.EFEM = CfgNode(
    {
        "CHANNELS": [32, 32, 16, 40],  # widths, coarse to fine
        "OUT_STRIDE": 1,  # of the heatmaps, in input pixels: 1 or 2
        "UPSAMPLE": "pixelshuffle",  # pixelshuffle | bilinear (ablation)
        "MULTI_SCALE": True,  # false: the finest branch alone (ablation)
    }
)


class EFENetKeys:
    """Backbone names are bare, the rest is under ``efem.``; trunks of HRFormer fit too."""

    _prefixes = PrefixMap(
        (
            ("efem.predict.", "head.predict."),
            ("efem.", "neck."),
            ("", "backbone."),
        )
    )

    def from_official(self, state: StateDict) -> StateDict:
        """Return ``state`` under our names; an HRFormer's own head keeps its name."""
        ours: StateDict = {}
        for key, value in from_mmpose(state).items():
            name = key.removeprefix("backbone.").removeprefix("keypoint_").removeprefix("head.")
            single = {name: value}
            ours.update(
                single if name.startswith("final_layer.") else self._prefixes.from_official(single)
            )
        return ours

    def to_official(self, state: StateDict) -> StateDict:
        """Return our ``state`` under the names of an EFENet file."""
        return self._prefixes.to_official(state)


def build(model: CfgNode) -> nn.Module:
    """Return the network that ``MODEL`` describes; images (B, 3, H, W) -> (B, K, H / s, W / s).

    Raises:
        ConfigError: ``MODEL.EXTRA`` does not describe one.
    """
    from lib.models.heads.subpixel import SubPixelHead
    from lib.models.layers.blocks import init_parts
    from lib.models.necks.efem import EFEM
    from lib.models.posenet import PoseNet

    efem = model.EXTRA.EFEM
    backbone = build_trunk(model.EXTRA)
    try:
        neck = EFEM(
            backbone.out_channels,
            backbone.out_strides,
            channels=efem.CHANNELS,
            upsampling=efem.UPSAMPLE,
            multi_scale=efem.MULTI_SCALE,
        )
        head = SubPixelHead(
            neck.out_channels,
            neck.out_strides,
            model.NUM_JOINTS,
            out_stride=efem.OUT_STRIDE,
            upsampling=efem.UPSAMPLE,
        )
    except ValueError as error:
        raise ConfigError(f"MODEL.EXTRA.EFEM: {error}") from error
    if model.INIT_WEIGHTS:
        init_parts(backbone, neck, head)
    return PoseNet(backbone, neck, head)


RECIPES.register("pose_efenet")(
    Recipe(task="topdown", extra=EXTRA, build=build, key_map=EFENetKeys(), table="macs / 2^30")
)
