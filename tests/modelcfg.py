"""Small complete configurations for network tests."""

import torch
from yacs.config import CfgNode

from lib.codecs import CODECS
from lib.models import load_weights
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


def declared(backbone, batch, height, width):
    """Return the shapes (B, C, H, W) that a backbone declares for its maps."""
    sizes = zip(backbone.out_channels, backbone.out_strides, strict=True)
    return [(batch, channels, height // stride, width // stride) for channels, stride in sizes]


def same(a, b):
    """Return whether two networks of one kind have the same weights."""
    states = a.state_dict(), b.state_dict()
    return all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def fill(tiny, layouts, layout):
    """Load one network's weights in a layout into another; fail unless all arrive."""
    source, target = tiny(seed=1), tiny(seed=2)
    report = load_weights(target, layouts(source)[layout])
    assert same(source, target)
    assert report.filled == 1
    return report


def _merge(node, values):
    for key, value in values.items():
        if isinstance(value, dict) and key in node:
            _merge(node[key], value)
        else:
            node[key] = CfgNode(value) if isinstance(value, dict) else value
