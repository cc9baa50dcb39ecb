"""Costs: hand-computed small layers, and the integers of the published tables."""

import pytest
import torch
from modelcfg import model_cfg
from torch import nn

from lib.models import build_model, complexity


def test_layers_by_hand():
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3), nn.ConvTranspose2d(6, 5, 4, 2, 1)
    )
    cost = complexity(network, (8, 12))
    conv, deconv = 6 * 1 * 9 * (4 * 6), 6 * 5 * 16 * (4 * 6)
    assert dict(cost) == {
        "params": 6 * 9 + 6 + 6 * 5 * 16 + 5,
        "macs": conv + deconv,
        "attention_macs": 0,
        "legacy_macs": conv + 4 * deconv,
    }


class Tokens(nn.Module):
    """Tokens (B, H W, 3) -> linear layer -> a declared product."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 7)

    def forward(self, images):
        return self.linear(images.flatten(2).transpose(1, 2))

    def attention_macs(self, images):
        return 1000 * images.shape[2]


def test_tokens_and_declared_products():
    cost = complexity(Tokens(), (4, 5))
    assert (cost.macs, cost.legacy_macs) == (3 * 7 * 20, 20 * 7 * 20)
    assert cost.attention_macs == 4000


class ByRegion(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)

    def forward(self, images):
        raise RuntimeError("needs data")

    def cost_forward(self, images, rois):
        return self.conv(images.expand(rois, -1, -1, -1))


def test_networks_by_region_run_their_own_way():
    assert complexity(ByRegion(), (2, 2), rois=5).macs == 6 * 4 * 5
    with pytest.raises(ValueError, match="does not work by region"):
        complexity(Tokens(), (2, 2), rois=5)


def test_the_model_is_left_as_it_was():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    network[1].eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    complexity(network, (8, 8))
    assert [m.training for m in network] == [True, False]
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not network[0]._forward_hooks
    x = torch.full((1, 4, 2, 2), 3.0)
    assert network[1](x).mean().item() == pytest.approx(3.0, abs=1e-3)
    assert "forward" not in vars(network[1])


def test_exact_integers():
    with torch.device("meta"):
        resnet = complexity(build_model(model_cfg("pose_resnet")), (256, 192))
        hrnet = complexity(build_model(model_cfg("pose_hrnet")), (256, 192))
    assert (resnet.macs, resnet.legacy_macs) == (5_426_380_800, 9_654_239_232)
    assert (hrnet.macs, hrnet.legacy_macs) == (7_645_003_776, 7_645_003_776)
