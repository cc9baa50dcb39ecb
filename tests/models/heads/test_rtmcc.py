"""RTMPose's head: published sizes, its steps, how it starts."""

import pytest
import torch
from golden import golden_input, mmpose_golden, plus_state

from lib.models.backbones.cspnext import CSPNeXt
from lib.models.cost import complexity
from lib.models.heads.rtmcc import RTMCCHead
from lib.models.posenet import PoseNet


def network(deepen, widen, size=(192, 256), joints=17):
    backbone = CSPNeXt(deepen, widen)
    bins = tuple(2 * side for side in size)
    sizes = (backbone.out_channels, backbone.out_strides, joints)
    return PoseNet(backbone, None, RTMCCHead(*sizes, input_size=size, bins=bins))


def test_output_equals_the_reference(shared):
    shapes, outputs = mmpose_golden(shared, "rtmpose_t")
    tiny = network(0.167, 0.375).eval()
    tiny.load_state_dict(plus_state(shapes))
    with torch.no_grad():
        found = tiny(golden_input(256, 192))
    for logits, wanted in zip(found, (outputs["simcc_x"], outputs["simcc_y"]), strict=True):
        assert (logits - wanted).abs().max() <= 1e-4 * wanted.std()


@pytest.mark.parametrize(
    ("factors", "size", "joints", "params", "macs", "entries"),
    [
        ((0.167, 0.375), (192, 256), 17, 3337007, 354611456, 218),
        ((0.33, 0.5), (192, 256), 17, 5473251, 676220928, 254),
        ((0.67, 0.75), (192, 256), 17, 13587611, 1917486080, 362),
        ((1.0, 1.0), (192, 256), 17, 27660339, 4142125056, 470),
        ((0.67, 0.75), (288, 384), 17, 13717659, 4301387776, 362),
        ((0.67, 0.75), (256, 256), 16, 13586842, 2550117376, 362),
    ],
)
def test_published_sizes(factors, size, joints, params, macs, entries):
    with torch.device("meta"):
        built = network(*factors, size, joints)
    cost = complexity(built, size[::-1])
    assert (cost.params, cost.macs, len(built.state_dict())) == (params, macs, entries)
    assert cost.attention_macs == joints**2 * (128 + 512)


def test_shapes_and_bins():
    head = RTMCCHead((5, 7), (16, 32), 3, input_size=(64, 96), bins=(128, 192), hidden=8, shared=4)
    maps = [torch.randn(2, 5, 6, 4), torch.randn(2, 7, 3, 2)]
    x, y = head(maps)
    assert (x.shape, y.shape) == ((2, 3, 128), (2, 3, 192))
    assert (head.gives, head.bins) == ("simcc", (128, 192))
    cells = head.final_layer(maps[1]).reshape(2, 3, 6)
    tokens = head.gau(head.mlp[1](cells / (cells.norm(dim=-1, keepdim=True) / 6**0.5)))
    torch.testing.assert_close(x, tokens @ head.cls_x.weight.T)


def test_initialisation():
    torch.manual_seed(0)
    head = RTMCCHead((64,), (32,), 17, input_size=(192, 256), bins=(384, 512))
    head.init_weights()
    assert head.final_layer.weight.std().item() == pytest.approx(0.001, rel=0.05)
    assert not head.final_layer.bias.any()
    for linear in (head.mlp[1], head.gau.uv, head.gau.o, head.cls_x, head.cls_y):
        assert linear.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert 0 <= head.gau.gamma.min() < head.gau.gamma.max() < 1


def test_images_of_any_size_are_refused():
    with pytest.raises(ValueError, match="images of one size"):
        RTMCCHead((7,), (32,), 3, input_size=None, bins=(1, 1))
