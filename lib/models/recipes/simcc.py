"""``simcc_resnet`` and ``simcc_hrnet``: two classifications instead of maps (Li et al. 2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yacs.config import CfgNode

from lib.models.fit import codec_arguments
from lib.models.recipes import hrnet, resnet
from lib.models.registry import RECIPES, PrefixMap, Recipe

if TYPE_CHECKING:
    from torch import nn

_OURS = "head.maps."
_SHARED = (
    ("head.", "head."),
    # The first code of SimCC has no prefixes.
    ("deconv_layers.", f"{_OURS}deconv_layers."),
    ("final_layer.", f"{_OURS}final_layer."),
    ("mlp_head_", "head.mlp_head_"),
    ("backbone.", "backbone."),
    ("", "backbone."),
)
# mmpose 1.x: the K maps come from a head of their own if there are doublings, else from this one's.
KEYS = PrefixMap(
    (("head.deconv_head.", _OURS), ("head.final_layer.", f"{_OURS}final_layer."), *_SHARED)
)
PLAIN = PrefixMap((("head.final_layer.", f"{_OURS}final_layer."), *_SHARED))


def build_resnet(model: CfgNode) -> nn.Module:
    """Return ResNet with a SimCC head; images (B, 3, H, W) -> [(B, K, Wx), (B, K, Wy)].

    Raises:
        ConfigError: the depth is unknown, or the lists of the head do not fit together.
    """
    return _classifying(
        resnet.build(model), model, KEYS if model.EXTRA.NUM_DECONV_LAYERS else PLAIN
    )


def build_hrnet(model: CfgNode) -> nn.Module:
    """Return HRNet with a SimCC head on its finest map; results as those of `build_resnet`."""
    return _classifying(hrnet.build(model), model, PLAIN)


def _classifying(network: nn.Module, model: CfgNode, keys: PrefixMap) -> nn.Module:
    """Return a network of maps with its head inside a SimCC head."""
    from lib.models.heads.simcc import SimccHead

    arguments = codec_arguments(model, SimccHead)
    network.head = SimccHead(network.head, tuple(model.IMAGE_SIZE), **arguments)  # type: ignore[arg-type]
    network.key_map = keys  # type: ignore[assignment]
    if model.INIT_WEIGHTS:
        network.head.init_weights()
    return network


for _name, _extra, _build in (
    ("simcc_resnet", resnet.EXTRA, build_resnet),
    ("simcc_hrnet", hrnet.EXTRA, build_hrnet),
):
    RECIPES.register(_name)(
        Recipe(task="topdown", extra=_extra, build=_build, key_map=KEYS, table="macs / 1e9")
    )
