"""EEffPose networks of tests."""

import torch
from golden import golden_state
from modelcfg import model_cfg

from lib.models import build_model, load_weights, to_official

D0, D2 = "tf_efficientdet_d0_ap", "tf_efficientdet_d2_ap"


def config(bits="111", detector=D0, size=(192, 256), joints=17, **model):
    types = ("BACKBONE_TYPE", "FPN_TYPE", "FINAL_TYPE")
    chosen = {key: "Ours" if bit == "1" else "" for key, bit in zip(types, bits, strict=True)}
    sizes = {"IMAGE_SIZE": list(size), "HEATMAP_SIZE": [side // 4 for side in size]}
    return model_cfg("pose_effpnet", joints, **{**chosen, "BACKBONE": detector, **sizes, **model})


def build(*args, device="meta", **kwargs):
    with torch.device(device):
        return build_model(config(*args, **kwargs)).eval()


def golden(network):
    """Fill ``network`` with the reference weights."""
    load_weights(network, golden_state(to_official(network)))
    return network
