"""Bytes of an image -> what networks see, on the device."""

from __future__ import annotations

import torch
from torch import Tensor

# ImageNet statistics of the red, green and blue channel. Networks that want blue-green-red pixels
# were trained with these constants in this order all the same.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def normalise(images: Tensor, *, rgb: bool) -> Tensor:
    """Return (B, 3, H, W) float32 in channels-last memory from (B, H, W, 3) uint8 BGR images.

    Args:
        images: blue-green-red bytes, on the device that computes.
        rgb: whether the network wants red-green-blue (``DATASET.COLOR_RGB``).
    """
    pixels = images.permute(0, 3, 1, 2)  # a view: the memory stays channels-last
    if rgb:
        pixels = pixels.flip(1)
    scale = torch.tensor([1 / (255 * s) for s in STD], device=images.device).view(1, 3, 1, 1)
    offset = torch.tensor([m / s for m, s in zip(MEAN, STD, strict=True)], device=images.device)
    return (pixels * scale - offset.view(1, 3, 1, 1)).contiguous(memory_format=torch.channels_last)


def unit_planes(image: Tensor, *, rgb: bool) -> Tensor:
    """Return (3, H, W) float32 in [0, 1] from one (H, W, 3) uint8 BGR image, not normalised."""
    planes = image.permute(2, 0, 1)
    return (planes.flip(0) if rgb else planes).float() / 255
