import pytest
import torch

from lib.tasks.pixels import MEAN, STD, normalise


def plain(images, rgb):
    planes = (images.flip(3) if rgb else images).permute(0, 3, 1, 2).double() / 255
    return (planes - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


@pytest.mark.parametrize("rgb", [True, False])
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_bytes_become_floats_in_either_colour_order(rgb, batch):
    images = torch.randint(0, 256, (batch, 5, 7, 3), dtype=torch.uint8)
    before = images.clone()
    found = normalise(images, rgb=rgb)
    assert found.shape == (batch, 3, 5, 7)
    torch.testing.assert_close(found.double(), plain(images, rgb), atol=1e-6, rtol=1e-6)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, before)


def test_part_of_a_larger_array():
    images = torch.randint(0, 256, (4, 9, 7, 3), dtype=torch.uint8)[::2, 2:7]
    assert torch.equal(normalise(images, rgb=True), normalise(images.contiguous(), rgb=True))


def test_without_data():
    images = torch.empty(2, 5, 7, 3, dtype=torch.uint8, device="meta")
    assert normalise(images, rgb=True).shape == (2, 3, 5, 7)
