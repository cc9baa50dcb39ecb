"""``pose_higher_hrnet`` (Cheng et al., CVPR 2020) and its fusion with DaViT (KSC 2022).

``pose_higher_hrnet_davit`` is the same network on ``FusedHRNet``; the official file of the fusion
calls it ``pose_higher_hrnet``, too, and needs the name changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yacs.config import CfgNode

from lib.models.recipes.stages import hrnet_schema, read_blocks, read_stages, read_stem
from lib.models.registry import RECIPES, PrefixMap, Recipe
from lib.utils.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from lib.models.backbones.hrnet import HRNet

EXTRA = CfgNode(
    {
        "PRETRAINED_LAYERS": ["*"],
        "FINAL_CONV_KERNEL": 1,
        "WITH_AE_LOSS": [True, False],  # stages with tag maps; load_config copies LOSS.WITH_AE_LOSS
        **hrnet_schema(),
        "DECONV": {
            "NUM_DECONVS": 1,
            "NUM_CHANNELS": [32],
            "KERNEL_SIZE": [4],
            "NUM_BASIC_BLOCKS": 4,
            "CAT_OUTPUT": [True],
        },
    }
)
DAVIT = CfgNode(
    {
        "EMBED_DIMS": [64, 128, 192, 256],
        "DEPTHS": [1, 1, 3, 1],
        "NUM_HEADS": [4, 8, 12, 16],
        "WINDOW_SIZE": 7,
        "MLP_RATIO": 4.0,
        "QKV_BIAS": True,
        "DROP_PATH_RATE": 0.1,
        "PATCH_SIZE": 4,
        "INIT": "reference",  # reference | trunc_normal
    }
)
KEYS = PrefixMap(
    (
        ("final_layers.", "head.final_layers."),
        ("deconv_layers.", "head.deconv_layers."),
        ("", "backbone."),
    )
)
# Without doublings: plain HRNet with associative embedding, whose one convolution others call so.
PLAIN_KEYS = PrefixMap((("final_layer.", "head.final_layers.0."), ("", "backbone.")))


def build(model: CfgNode) -> nn.Module:
    """Return HigherHRNet; images (B, 3, H, W) -> (B, K + tags, H / 4, W / 4), (B, K, H / 2, W / 2).

    Raises:
        ConfigError: lists of ``MODEL.EXTRA`` do not fit together.
    """
    from lib.models.backbones.hrnet import HRNet

    extra = model.EXTRA
    backbone = HRNet(read_stages(extra), blocks=read_blocks(extra), stem=read_stem(extra))
    return _finish(model, backbone)


def build_fused(model: CfgNode) -> nn.Module:
    """Return HigherHRNet with DaViT beside it; in and out as ``build``.

    Raises:
        ConfigError: lists of ``MODEL.EXTRA`` do not fit together.
    """
    from lib.models.backbones.davit import DaViT, FusedHRNet

    extra = model.EXTRA
    try:
        davit = DaViT(**{key.lower(): value for key, value in extra.DAVIT.items()})
        backbone = FusedHRNet(
            read_stages(extra), davit, blocks=read_blocks(extra), stem=read_stem(extra)
        )
    except ValueError as error:
        raise ConfigError(f"MODEL.EXTRA.DAVIT: {error}.") from error
    return _finish(model, backbone)


def _finish(model: CfgNode, backbone: HRNet) -> nn.Module:
    """Add the head that ``DECONV`` describes."""
    from lib.models.heads.higher import HigherHead
    from lib.models.layers.blocks import init_parts
    from lib.models.posenet import PoseNet

    node = model.EXTRA.DECONV
    count = node.NUM_DECONVS
    for key in ("NUM_CHANNELS", "KERNEL_SIZE", "CAT_OUTPUT"):
        if len(node[key]) < count:
            raise ConfigError(
                f"MODEL.EXTRA.DECONV.{key} has {len(node[key])} entries for NUM_DECONVS {count}: "
                "give one per doubling."
            )
    stages = list(model.EXTRA.WITH_AE_LOSS)
    if len(stages) != count + 1:
        raise ConfigError(
            f"LOSS.WITH_AE_LOSS has {len(stages)} entries for MODEL.EXTRA.DECONV.NUM_DECONVS "
            f"{count}: give one per stage, {count + 1}, as for LOSS.NUM_STAGES."
        )
    try:
        head = HigherHead(
            backbone.out_channels,
            backbone.out_strides,
            model.NUM_JOINTS,
            tag_stages=stages,
            tag_per_joint=model.TAG_PER_JOINT,
            channels=node.NUM_CHANNELS[:count],
            kernels=node.KERNEL_SIZE[:count],
            blocks=node.NUM_BASIC_BLOCKS,
            cat=node.CAT_OUTPUT[:count],
            final_kernel=model.EXTRA.FINAL_CONV_KERNEL,
        )
    except ValueError as error:
        raise ConfigError(f"MODEL.EXTRA.DECONV: {error}.") from error
    network = PoseNet(backbone, None, head)
    if count == 0:
        network.key_map = PLAIN_KEYS  # type: ignore[assignment]
    if model.INIT_WEIGHTS:
        init_parts(backbone, head)
    return network


def _fused_schema() -> CfgNode:
    extra = EXTRA.clone()
    extra.DAVIT = DAVIT.clone()
    return extra


RECIPES.register("pose_higher_hrnet")(
    Recipe(task="bottomup", extra=EXTRA, build=build, key_map=KEYS, table="legacy / 1e9")
)
RECIPES.register("pose_higher_hrnet_davit")(
    Recipe(
        task="bottomup",
        extra=_fused_schema(),
        build=build_fused,
        key_map=KEYS,
        table="legacy / 1e9",
    )
)
