"""Pooling: fixed strides, levels, zeros outside the image."""

import pytest
import torch
from torch.nn import functional as F
from torchvision.ops import MultiScaleRoIAlign, roi_align

from lib.models.rcnn.pooler import FixedStridePooler, box_levels

OUTSIDE = torch.tensor(
    [
        [-40.0, 10, 30, 50],  # left
        [20, -60, 50, 30],  # top
        [60, 20, 130, 44],  # right (the image is 80 x 56)
        [10, 30, 40, 111],  # bottom
        [-33, -27, 120, 90],  # all sides
        [-3, -2, 83, 58],  # less than a cell
        [5, 5, 30, 40],  # inside
    ]
)


def pyramid(height, width, channels=3, images=2):
    return {
        str(i): torch.randn(images, channels, -(-height // s), -(-width // s))
        for i, s in enumerate((4, 8, 16, 32))
    }


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("level", ["0", "1"])
def test_one_cell_of_zeros_equals_much_padding_of_the_features(aligned, ratio, level):
    torch.manual_seed(0)
    stride = 4 if level == "0" else 8
    features = {level: pyramid(56, 80)[level].double()}  # 1e-5 is rounding of 100 pixels in float
    pooler = FixedStridePooler([level], 14, sampling_ratio=ratio, aligned=aligned, zero_pad=True)
    boxes = [OUTSIDE.double(), OUTSIDE[:2].double() + 3.3]
    pad = 24  # cells, more than any box leaves the image by
    padded = F.pad(features[level], (pad,) * 4)
    shifted = [b + stride * pad for b in boxes]
    wanted = roi_align(padded, shifted, 14, 1 / stride, ratio, aligned)
    assert (pooler(features, boxes) - wanted).abs().max() < 1e-9
    unpadded = FixedStridePooler([level], 14, sampling_ratio=ratio, aligned=aligned)
    assert (unpadded(features, boxes) - wanted)[:6].abs().amax(dim=(1, 2, 3)).min() > 1e-2


def test_all_of_a_box_outside_is_zero():
    features = {"0": torch.ones(1, 2, 8, 8)}
    pooler = FixedStridePooler(["0"], 7, zero_pad=True)
    assert not pooler(features, [torch.tensor([[-90.0, 0, -50, 32]])]).any()


def test_strides_do_not_depend_on_the_first_image():
    """torchvision takes 1/2, 1/4, ... from a first image of 40 x 40 whose map is 20 x 20."""
    torch.manual_seed(0)
    pooler = FixedStridePooler(["0", "1", "2", "3"], 7, sampling_ratio=2, aligned=False)
    tiny = {str(i): torch.randn(1, 3, s, s) for i, s in enumerate((20, 10, 5, 3))}
    pooler(tiny, [torch.tensor([[0.0, 0, 40, 40]])])
    features = pyramid(256, 320, images=1)
    boxes = [torch.tensor([[3.0, 4, 60, 90], [10, 20, 300, 250], [0, 0, 20, 20]])]
    theirs = MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2)(features, boxes, [(256, 320)])
    assert torch.allclose(pooler(features, boxes), theirs, atol=1e-6)


def test_levels_by_area():
    sides = torch.tensor([1.0, 111.9, 112, 223.9, 224, 447, 448, 5000])
    boxes = torch.stack((sides * 0, sides * 0, sides, sides), dim=1)
    assert box_levels(boxes, 0, 3).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert box_levels(boxes, 1, 2).tolist() == [1, 1, 1, 1, 2, 2, 2, 2]
    wide = torch.tensor([[0.0, 0, 448, 112], [5, 5, 5, 9]])
    assert box_levels(wide, 0, 3).tolist() == [2, 0]


def test_no_boxes():
    features = pyramid(64, 96)
    none = [torch.zeros(0, 4), torch.zeros(0, 4)]
    for levels in (["0"], ["0", "1", "2", "3"]):
        assert FixedStridePooler(levels, 5)(features, none).shape == (0, 3, 5, 5)


def test_gradients_reach_every_level():
    features = {k: v.requires_grad_() for k, v in pyramid(256, 320).items()}
    pooler = FixedStridePooler(["0", "1", "2", "3"], 5)
    sides = torch.tensor([40.0, 120, 230, 460])
    boxes = torch.stack((sides * 0, sides * 0, sides, sides), dim=1)
    pooler(features, [boxes, boxes[:1]]).sum().backward()
    assert all(bool(feature.grad.any()) for feature in features.values())
