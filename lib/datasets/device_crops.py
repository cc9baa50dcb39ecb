"""Crops to test on, decoded and cut by the device that the network runs on.

What it cannot decode (other formats than JPEG, pictures that EXIF turns) is decoded as ever. Pixels
differ a little from those of the processor: both parts compute in another way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lib.datasets.topdown import CropLoader, PersonCrops, Sample
from lib.structures.geometry import Size, invert_affine
from lib.utils.jpeg import read_frame

IMAGES_AT_ONCE = 16  # handed to the decoder together


def device_crop_loader(
    crops: PersonCrops, device: torch.device, *, batch_size: int, rank: int = 0, world: int = 1
) -> CropLoader:
    """Return what `crop_loader` does, decoded and cut by ``device`` in this process."""
    shard = list(range(rank, len(crops), world))
    return CropLoader(DeviceCrops(crops, shard, device), crops.count(shard), batch_size)


@dataclass(frozen=True)
class DeviceCrops:
    """Items of `PersonCrops`, with ``image`` (n, H, W, 3) uint8 as a tensor on a device.

    Attributes:
        crops: whose; it says which people and sizes.
        shard: images to yield.
        device: decodes and cuts.
    """

    crops: PersonCrops
    shard: Sequence[int]
    device: torch.device

    def __iter__(self) -> Iterator[Sample]:
        for start in range(0, len(self.shard), IMAGES_AT_ONCE):
            numbers = self.shard[start : start + IMAGES_AT_ONCE]
            rows = [self.crops.rows_of(number) for number in numbers]
            for row, image in zip(rows, self._decode([one[0] for one in rows]), strict=True):
                yield self._item(row, image)

    def _item(self, rows: np.ndarray, image: Tensor) -> Sample:
        pixels = cut_on_device(image, self.crops.matrices[rows], self.crops.input_size)
        return {"image": pixels, "crop": self.crops.crops[rows], "index": rows}

    def _decode(self, people: Sequence[int]) -> list[Tensor]:
        """Return the images of people, (3, H, W) uint8 blue-green-red each."""
        table = self.crops.people
        images = [int(table.image_index[person]) for person in people]
        data = [table.images.read_bytes(image) for image in images]
        sizes = [table.images.size(image) for image in images]
        decoded = decode_on_device(data, sizes, self.device)
        for n, image in enumerate(images):
            if decoded[n] is None:
                whole = torch.from_numpy(table.images.read(image))
                decoded[n] = whole.to(self.device).permute(2, 0, 1)
        return [pixels for pixels in decoded if pixels is not None]


def decode_on_device(
    data: Sequence[bytes], sizes: Sequence[Size | None], device: torch.device
) -> list[Tensor | None]:
    """Decode JPEGs on a device.

    Args:
        data: files.
        sizes: ``(width, height)`` that pictures must have as stored.
        device: decodes.

    Returns:
        (3, H, W) uint8 blue-green-red of each; None for what it does not decode.
    """
    frames = [read_frame(one) for one in data]
    fit = [
        n
        for n, (frame, size) in enumerate(zip(frames, sizes, strict=True))
        if frame is not None
        and frame.components == 3
        and size in (None, (frame.width, frame.height))
    ]
    found: list[Tensor | None] = [None] * len(data)
    packed = [torch.frombuffer(bytearray(data[n]), dtype=torch.uint8) for n in fit]
    for n, pixels in zip(fit, _decode_all(packed, device), strict=True):
        found[n] = pixels
    return found


def _decode_all(packed: list[Tensor], device: torch.device) -> list[Tensor | None]:
    """Decode together; one by one where that fails, as the others may be sound."""
    from torchvision.io import ImageReadMode, decode_jpeg

    if not packed:
        return []
    try:
        return [one.flip(0) for one in decode_jpeg(packed, ImageReadMode.RGB, device=device)]
    except RuntimeError:
        return [None] if len(packed) == 1 else [_decode_all([one], device)[0] for one in packed]


def cut_on_device(image: Tensor, matrices: np.ndarray, size: Size) -> Tensor:
    """Cut regions out of an image, bilinearly, black outside.

    Args:
        image: (3, h, w) uint8.
        matrices: (N, 2, 3) from image pixels to output pixels.
        size: ``(width, height)`` of the outputs.

    Returns:
        (N, H, W, 3) uint8 on the device of the image; black where a map is not finite.
    """
    width, height = size
    with np.errstate(all="ignore"):
        back = invert_affine(matrices)
    known = np.asarray(np.all(np.isfinite(back), axis=(1, 2)))
    inverse = torch.from_numpy(np.where(known[:, None, None], back, 0.0)).to(image.device)
    columns, rows = (torch.arange(n, dtype=torch.float64, device=image.device) for n in size)
    u, v = columns.expand(height, width), rows[:, None].expand(height, width)
    places = torch.stack([u, v, torch.ones_like(u)], dim=-1) @ inverse.mT[:, None]  # (N, H, W, 2)
    # Of grid_sample: pixel i lies at (2 i + 1) / length - 1.
    lengths = places.new_tensor([image.shape[2], image.shape[1]])
    grid = ((2 * places + 1) / lengths - 1).float()
    source = image[None].float().expand(len(grid), -1, -1, -1)
    pixels = F.grid_sample(source, grid, padding_mode="zeros", align_corners=False)
    pixels *= torch.from_numpy(known).to(image.device)[:, None, None, None]
    return pixels.round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
