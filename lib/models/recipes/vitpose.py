"""``vitpose``: a plain vision transformer and one of two light decoders.

Xu et al., ViTPose: Simple Vision Transformer Baselines for Human Pose Estimation, NeurIPS 2022.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yacs.config import CfgNode

from lib.models.recipes.vitpose_keys import VitPoseKeys
from lib.models.registry import RECIPES, Recipe
from lib.utils.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from lib.models.backbones.vit import ViT

EXTRA = CfgNode(
    {
        "PRETRAINED_LAYERS": ["backbone", "same_head"],  # what PRETRAINED may fill; '*' is all
        # ViTPose-S: 384, 12, 12, 0.1; B: 768, 12, 12, 0.3; L: 1024, 24, 16, 0.5;
        # H: 1280, 32, 16, 0.55.
        "EMBED_DIM": 384,
        "DEPTH": 12,
        "NUM_HEADS": 12,
        "MLP_RATIO": 4.0,
        "DROP_PATH": 0.1,  # of the last block
        "DECODER": "classic",  # classic: two transposed convolutions | simple: bilinear, 3x3
        "NUM_DECONV_FILTERS": [256, 256],  # classic
        # Files of ViTPose++ hold experts for several data sets: COCO 0, AIC 1, MPII 2, AP-10K 3,
        # APT-36K 4, COCO-WholeBody 5. One is loaded, with its decoder.
        "EXPERT": 0,
    }
)


def build(model: CfgNode) -> nn.Module:
    """Return the network that ``MODEL`` describes; images (B, 3, H, W) -> (B, K, H / 4, W / 4).

    Raises:
        ConfigError: a value of ``EXTRA`` or the image size does not fit.
    """
    from lib.models.backbones.vit import ViT
    from lib.models.layers.blocks import init_normal
    from lib.models.posenet import PoseNet

    extra = model.EXTRA
    try:
        backbone = ViT(
            model.IMAGE_SIZE,
            embed_dim=extra.EMBED_DIM,
            depth=extra.DEPTH,
            num_heads=extra.NUM_HEADS,
            mlp_ratio=extra.MLP_RATIO,
            drop_path=extra.DROP_PATH,
        )
        head = _decoder(model, backbone)
    except ValueError as error:
        raise ConfigError(f"MODEL.EXTRA, MODEL.IMAGE_SIZE: {error}") from error
    init_normal(head)
    network = PoseNet(backbone, None, head)
    network.key_map = VitPoseKeys(backbone.grid, extra.EXPERT)  # type: ignore[assignment]
    return network


def _decoder(model: CfgNode, backbone: ViT) -> nn.Module:
    """Return the decoder that ``DECODER`` names.

    Raises:
        ValueError: there is none of that name.
    """
    from lib.models.heads.deconv import DeconvHead
    from lib.models.heads.upsample import UpsampleHead

    sizes = backbone.out_channels, backbone.out_strides, model.NUM_JOINTS
    if model.EXTRA.DECODER == "simple":
        return UpsampleHead(*sizes)
    if model.EXTRA.DECODER != "classic":
        raise ValueError(f"DECODER must be classic or simple, got '{model.EXTRA.DECODER}'")
    filters = model.EXTRA.NUM_DECONV_FILTERS
    return DeconvHead(*sizes, filters=filters, kernels=[4] * len(filters))


RECIPES.register("vitpose")(
    Recipe(task="topdown", extra=EXTRA, build=build, key_map=VitPoseKeys(), table="macs / 1e9")
)
