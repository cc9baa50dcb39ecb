"""Small complete configurations for network tests."""

from yacs.config import CfgNode

from lib.codecs import CODECS
from lib.models.recipes import RECIPES


def model_cfg(name, joints=17, extra=None, codec=None, **model):
    """Return a tree with a complete ``MODEL`` node; ``extra`` and ``codec`` are merged into it."""
    node = CfgNode({"NAME": name, "NUM_JOINTS": joints, "INIT_WEIGHTS": True, "PRETRAINED": ""})
    sizes = {"IMAGE_SIZE": [192, 256], "HEATMAP_SIZE": [48, 64]}
    node.update(
        {"BACKBONE": "", "NECK": "", "HEAD": "", "TARGET_TYPE": "gaussian", **sizes, **model}
    )
    node.EXTRA = RECIPES[name].extra.clone()
    _merge(node.EXTRA, extra or {})
    node.CODEC = CODECS[node.TARGET_TYPE].options.clone()
    _merge(node.CODEC, codec or {})
    return CfgNode({"MODEL": node})


def _merge(node, values):
    for key, value in values.items():
        if isinstance(value, dict) and key in node:
            _merge(node[key], value)
        else:
            node[key] = CfgNode(value) if isinstance(value, dict) else value
