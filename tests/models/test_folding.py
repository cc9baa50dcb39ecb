"""Folded networks predict the same, with fewer layers; activations survive."""

import pytest
import timm
import torch
from golden import golden_state
from modelcfg import model_cfg
from torch import nn

from lib.models import build_model
from lib.models.folding import fold_batch_norm

SMALL = {
    "STAGE1": {"NUM_BLOCKS": [1], "NUM_CHANNELS": [8]},
    "STAGE2": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 2, "NUM_CHANNELS": [8, 12]},
    "STAGE3": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 3, "NUM_CHANNELS": [8, 12, 16]},
    "STAGE4": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 4, "NUM_CHANNELS": [8, 12, 16, 24]},
}
FULL = {"HEATMAP_SIZE": [192, 256]}


def spread(network):
    """Give every tensor of ``network`` values that make a wrong fold visible."""
    network.load_state_dict(golden_state(network.state_dict()))
    return network.eval()


def norms(network):
    return sum(isinstance(m, nn.BatchNorm2d) for m in network.modules())


def assert_folds(network, images, left=0):
    before = norms(network)
    with torch.no_grad():
        wanted = network(images)
        assert fold_batch_norm(network, tuple(images.shape[2:])) == before - left
        assert norms(network) == left
        output = network(images)
    assert (output - wanted).abs().max() <= 1e-4 * wanted.std()


@pytest.mark.parametrize(
    ("name", "extra", "model", "left"),
    [
        ("pose_resnet", {"NUM_LAYERS": 18}, {}, 0),
        ("pose_hrnet", SMALL, {}, 0),
        ("pose_hrformer", SMALL, {}, 0),
        # EFEM's second norm follows the pixel shuffle, at four places.
        ("pose_efenet", SMALL, FULL, 4),
    ],
)
def test_recipes_predict_the_same(name, extra, model, left):
    torch.manual_seed(0)
    network = spread(build_model(model_cfg(name, 5, extra, **model)))
    assert_folds(network, torch.randn(2, 3, 64, 96), left)


def test_grouped_transposed_convolutions():
    network = nn.Sequential(
        nn.ConvTranspose2d(6, 4, 4, 2, 1, groups=2, bias=True), nn.BatchNorm2d(4), nn.ReLU()
    )
    network = spread(nn.Sequential(nn.Conv2d(3, 6, 1), network))
    assert_folds(network, torch.randn(2, 3, 5, 7))


def test_activations_inside_a_norm_survive():
    torch.manual_seed(0)
    network = spread(timm.create_model("tf_efficientnet_b0", num_classes=0, global_pool=""))
    assert sum(isinstance(m, nn.SiLU) for m in network.modules()) > 40
    assert_folds(network, torch.randn(1, 3, 64, 64))
    assert sum(isinstance(m, nn.SiLU) for m in network.modules()) > 40


class Shared(nn.Module):
    """One convolution at two places, before two norms: neither may be folded."""

    def __init__(self):
        super().__init__()
        self.conv, self.a, self.b = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x):
        return self.b(self.conv(self.a(self.conv(x))))


def test_shared_layers_stay():
    network = spread(Shared())
    assert_folds(network, torch.randn(2, 3, 4, 5), left=2)


def test_an_activation_between_keeps_both():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True), nn.BatchNorm2d(4))
    assert_folds(spread(network), torch.randn(2, 3, 4, 5), left=1)


class Twice(nn.Module):
    """The convolution's output is read by a norm and by another layer."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.other = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Sigmoid()

    def forward(self, x):
        x = self.conv(x)
        return self.norm(x) * self.other(x)


def test_outputs_with_two_readers_stay():
    assert_folds(spread(Twice()), torch.randn(2, 3, 4, 5), left=1)


def test_training_networks_are_refused():
    with pytest.raises(ValueError, match="evaluation mode"):
        fold_batch_norm(nn.Conv2d(3, 3, 1))
