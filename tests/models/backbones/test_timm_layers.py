"""Layer-wise rates of timm's trunks against timm's own groups."""

import pytest
import timm
import torch
from modelcfg import model_cfg
from timm.optim import param_groups_layer_decay

from lib.engine.optim import rate_factors
from lib.models import build_model
from lib.models.backbones.timm_layers import layer_numbers
from lib.models.backbones.timm_trunk import TimmTrunk
from lib.utils.errors import ConfigError

DECAY = 0.7


def factors_of_timm(name):
    """Return timm's factor on the rate of every parameter of the whole network."""
    with torch.device("meta"):
        whole = timm.create_model(name)
    names = {id(parameter): key for key, parameter in whole.named_parameters()}
    groups = param_groups_layer_decay(whole, layer_decay=DECAY)
    return {names[id(p)]: group["lr_scale"] for group in groups for p in group["params"]}


def network_of(name, **backbone):
    extra = {"BACKBONE": {"NAME": name, **backbone}, "HEAD": {"FILTERS": [8], "KERNELS": [4]}}
    sizes = {"IMAGE_SIZE": [96, 128], "HEATMAP_SIZE": [24, 32]}
    with torch.device("meta"):
        return build_model(model_cfg("posenet", 5, extra, BACKBONE="timm", HEAD="deconv", **sizes))


@pytest.mark.parametrize(
    "name",
    [
        "vit_tiny_patch16_224", "resnet18", "convnext_atto", "tf_efficientnet_lite0",
        "swin_tiny_patch4_window7_224", "resnetv2_50", "fastvit_t8",
    ],
)  # fmt: skip
def test_rates_are_those_of_timm_with_the_head_in_the_classifiers_place(name):
    with torch.device("meta"):
        trunk = TimmTrunk(name, input_size=(96, 128))
    found = {
        n: DECAY ** (trunk.num_layers - trunk.layer_id(n)) for n, _ in trunk.named_parameters()
    }
    official = trunk.key_map.to_official(found)
    wanted = factors_of_timm(name)
    assert len(official) == len(found)
    assert {key: wanted[key] for key in official} == pytest.approx(official)
    assert min(official.values()) == pytest.approx(min(wanted.values()))


def test_a_trunk_that_ends_early_counts_from_its_own_end():
    network = network_of("resnet18", OUT_INDICES=[1, 2])  # layer1 and layer2, two blocks each
    factors = rate_factors(network, {"head": 10}, DECAY)
    assert factors["backbone.trunk.conv1.weight"] == pytest.approx(DECAY**5)
    assert factors["backbone.trunk.layer1.1.conv2.weight"] == pytest.approx(DECAY**3)
    assert factors["backbone.trunk.layer2.1.bn2.bias"] == pytest.approx(DECAY)
    assert {v for n, v in factors.items() if n.startswith("head.")} == {10}


def test_what_timm_trains_with_the_classifier_belongs_to_the_last_layer():
    names = ["conv1.weight", "stage4.0.branches.0.0.conv1.weight", "incre_modules.0.0.bn1.bias"]
    assert layer_numbers("hrnet_w18_small", names) == [0, 1, 1]


def test_a_network_that_timm_does_not_number_is_refused(monkeypatch):
    monkeypatch.setattr(timm, "create_model", lambda name: torch.nn.Linear(2, 3))
    with pytest.raises(ConfigError, match=r"LAYER_DECAY: timm does not number .* odd_net"):
        layer_numbers("odd_net", ["weight"])
