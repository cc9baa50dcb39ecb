"""Costs: hand-computed small layers, and the integers of the published tables."""

import pytest
import torch
from modelcfg import model_cfg
from torch import nn

from lib.models import build_model, complexity
from lib.models.complexity import table_figure

SIZES = {"256x192": (256, 192), "384x288": (384, 288), "256x256": (256, 256)}


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


W48 = {
    "STAGE2": {"NUM_CHANNELS": [48, 96]},
    "STAGE3": {"NUM_CHANNELS": [48, 96, 192]},
    "STAGE4": {"NUM_CHANNELS": [48, 96, 192, 384]},
}


@pytest.mark.parametrize(
    ("name", "extra", "size", "joints", "table", "exact"),
    [
        ("pose_resnet", {"NUM_LAYERS": 50}, "256x192", 17, 8.991, 5.426),
        ("pose_resnet", {"NUM_LAYERS": 50}, "384x288", 17, 20.230, 12.209),
        ("pose_resnet", {"NUM_LAYERS": 50}, "256x256", 16, 11.987, 7.234),
        ("pose_resnet", {"NUM_LAYERS": 101}, "256x192", 17, 12.378, 9.063),
        ("pose_resnet", {"NUM_LAYERS": 101}, "384x288", 17, 27.850, 20.391),
        ("pose_resnet", {"NUM_LAYERS": 101}, "256x256", 16, 16.503, 12.083),
        ("pose_resnet", {"NUM_LAYERS": 152}, "256x192", 17, 15.765, 12.699),
        ("pose_resnet", {"NUM_LAYERS": 152}, "384x288", 17, 35.470, 28.573),
        ("pose_resnet", {"NUM_LAYERS": 152}, "256x256", 16, 21.019, 16.931),
        ("pose_hrnet", {}, "256x192", 17, 7.120, 7.645),
        ("pose_hrnet", {}, "384x288", 17, 16.020, 17.201),
        ("pose_hrnet", {}, "256x256", 16, 9.493, 10.193),
        ("pose_hrnet", W48, "256x192", 17, 14.614, 15.692),
        ("pose_hrnet", W48, "384x288", 17, 32.882, 35.307),
        ("pose_hrnet", W48, "256x256", 16, 19.485, 20.922),
    ],
)
def test_published_tables(name, extra, size, joints, table, exact):
    height, width = SIZES[size]
    sizes = {"IMAGE_SIZE": [width, height], "HEATMAP_SIZE": [width // 4, height // 4]}
    with torch.device("meta"):
        network = build_model(model_cfg(name, joints, extra, **sizes))
    cost = complexity(network, (height, width))
    assert round(table_figure(cost, "legacy / 2^30"), 3) == table
    assert round(cost.macs / 1e9, 3) == exact


def test_exact_integers():
    with torch.device("meta"):
        resnet = complexity(build_model(model_cfg("pose_resnet")), (256, 192))
        hrnet = complexity(build_model(model_cfg("pose_hrnet")), (256, 192))
    assert (resnet.macs, resnet.legacy_macs) == (5_426_380_800, 9_654_239_232)
    assert (hrnet.macs, hrnet.legacy_macs) == (7_645_003_776, 7_645_003_776)
