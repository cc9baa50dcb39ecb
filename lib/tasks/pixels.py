"""Bytes of an image -> what networks see, on the device."""

from __future__ import annotations

from functools import lru_cache

import cv2
import torch
from torch import Tensor

from lib.structures.pixels import Pixels


def normalise(images: Tensor, pixels: Pixels) -> Tensor:
    """Return (B, 3, H, W) float32 in channels-last memory from (B, H, W, 3) uint8 BGR images.

    Args:
        images: blue-green-red bytes, on the device that computes.
        pixels: what the network wants.
    """
    batch, height, width, _ = images.shape
    if pixels.rgb:
        images = _swap_colours(images)
    scale, offset = _row_constants(pixels, width, images.device)
    # Whole rows at once: three neighbouring channels are too few for a processor's vectors. In
    # place: fresh memory for every step costs more than the arithmetic.
    rows = images.reshape(batch, height, 3 * width).float().mul_(scale).sub_(offset)
    return rows.view(batch, height, width, 3).permute(0, 3, 1, 2)  # channels-last memory


def _swap_colours(images: Tensor) -> Tensor:
    """Return a copy of (B, H, W, 3) images with the channels turned round."""
    if images.device.type != "cpu":
        return images.flip(3)
    swapped = torch.empty_like(images, memory_format=torch.contiguous_format)
    if images.numel():  # ten times faster than PyTorch's flip of so short an axis
        rows = images.reshape(-1, images.shape[2], 3).numpy()
        cv2.cvtColor(rows, cv2.COLOR_BGR2RGB, dst=swapped.view(rows.shape).numpy())
    return swapped


@lru_cache(maxsize=16)
def _row_constants(pixels: Pixels, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return factor and offset of a row of pixels (3 width,); making them waits for the device."""
    scale = torch.tensor([1 / (255 * s) for s in pixels.std])
    offset = torch.tensor([m / s for m, s in zip(pixels.mean, pixels.std, strict=True)])
    return scale.repeat(width).to(device), offset.repeat(width).to(device)


def unit_planes(image: Tensor, *, rgb: bool) -> Tensor:
    """Return (3, H, W) float32 in [0, 1] from one (H, W, 3) uint8 BGR image, not normalised."""
    planes = image.permute(2, 0, 1)
    return (planes.flip(0) if rgb else planes).float() / 255
