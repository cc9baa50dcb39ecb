"""ResNet against torchvision's, and the stride that light networks change."""

import pytest
import torch
import torchvision
from modelcfg import declared, model_cfg

from lib.models import build_model, load_pretrained
from lib.models.backbones.resnet import resnet


@pytest.mark.parametrize("depth", [18, 50])
def test_torchvision_weights_give_torchvision_maps(depth):
    torch.manual_seed(0)
    theirs = torchvision.models.get_model(f"resnet{depth}", weights=None).eval()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 1.5)
    file = {k: v for k, v in theirs.state_dict().items() if "num_batches_tracked" not in k}
    network = build_model(model_cfg("pose_resnet", extra={"NUM_LAYERS": depth})).eval()
    report = load_pretrained(network, file)
    assert not report.unexpected
    assert {"backbone.fc.weight", "backbone.fc.bias"} <= set(report.skipped)
    assert all(name.startswith("head.") for name in report.missing)
    images = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        maps = network.backbone(images)
        x = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(images))))
        for ours, layer in zip(maps, ("layer1", "layer2", "layer3", "layer4"), strict=True):
            x = getattr(theirs, layer)(x)
            torch.testing.assert_close(ours, x)


@pytest.mark.parametrize("last_stride", [1, 2])
def test_maps_have_the_declared_sizes(last_stride):
    network = resnet(18, last_stride)
    maps = network(torch.randn(2, 3, 64, 96))
    assert network.out_strides == (4, 8, 16, 16 * last_stride)
    assert [tuple(m.shape) for m in maps] == declared(network, 2, 64, 96)


def test_unknown_depths_list_the_known_ones():
    with pytest.raises(ValueError, match=r"\[18, 34, 50, 101, 152\], got 20"):
        resnet(20)
