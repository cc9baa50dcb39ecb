import pytest
import torch

from lib.structures.pixels import Pixels
from lib.tasks.pixels import normalise

RGB = Pixels(rgb=True)


def plain(images, pixels):
    planes = (images.flip(3) if pixels.rgb else images).permute(0, 3, 1, 2).double() / 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (pixels.mean, pixels.std))
    return (planes - mean) / std


OTHER = Pixels((0.1, 0.2, 0.4), (0.5, 0.25, 0.125), rgb=True)


@pytest.mark.parametrize("pixels", [RGB, Pixels(rgb=False), OTHER])
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_bytes_become_floats_in_any_colour_order_and_scale(pixels, batch):
    images = torch.randint(0, 256, (batch, 5, 7, 3), dtype=torch.uint8)
    before = images.clone()
    found = normalise(images, pixels)
    assert found.shape == (batch, 3, 5, 7)
    torch.testing.assert_close(found.double(), plain(images, pixels), atol=1e-6, rtol=1e-6)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, before)


def test_part_of_a_larger_array():
    images = torch.randint(0, 256, (4, 9, 7, 3), dtype=torch.uint8)[::2, 2:7]
    assert torch.equal(normalise(images, RGB), normalise(images.contiguous(), RGB))


def test_without_data():
    images = torch.empty(2, 5, 7, 3, dtype=torch.uint8, device="meta")
    assert normalise(images, RGB).shape == (2, 3, 5, 7)
