"""Whole images: augmented squares with all people to train on, test images at all scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from lib.annotations.tables import ImageTable
from lib.codecs.multiscale import Size, view_at_scale
from lib.datasets.base import Key, TrainData
from lib.datasets.image_people import ImagePeople, visible_mask
from lib.datasets.image_view import ImageAugmentation, ImageView, draw_image_view
from lib.datasets.keys import keyed_generator
from lib.datasets.stages import PartStages, Stages
from lib.datasets.transforms import change_pixels
from lib.datasets.unreadable import Unreadable
from lib.datasets.warp import warp_crop
from lib.utils.workers import limit_workers, worker_options

Sample = dict[str, Any]
PIXELS_AT_ONCE = 2**21  # of images in a batch, all scales: they bound its memory
MIN_SIGMA = 0.5  # cells; a person without a box would have a point for a Gaussian


@dataclass(frozen=True)
class PersonSigma:
    """A target width for each person, in proportion to the longer side of the box.

    Attributes:
        base_size: length, in image pixels, at which the sigma is ``base_sigma``.
        base_sigma: in cells.
        whole: round up to whole cells.
    """

    base_size: float
    base_sigma: float
    whole: bool = False

    def of(self, boxes: np.ndarray, zoom_out: float) -> np.ndarray:
        """Return (P,) float32 sigmas for boxes (P, 4) ``x, y, width, height``."""
        sigma = boxes[:, 2:].max(axis=1, initial=0) / self.base_size * self.base_sigma
        if self.whole:
            sigma = np.ceil(sigma)
        return np.maximum(sigma / zoom_out, MIN_SIGMA).astype(np.float32)


class TrainImages(TrainData):
    """Augmented whole images.

    Sample ``(epoch, index)`` is ``{"image": (I, I, 3) uint8 BGR, "keypoints": (S, P, K, 2) float32
    in cells of each of the S outputs, "visible": (P, K) float32 0 or 1, "masks": S arrays (R, R)
    uint8 0 or 1, "sigma": (P,) float32 if asked for, "labelled": (K,) float32 0 or 1 in a mix}``.

    Args:
        source: images and people.
        augmentation: what may be done to an image.
        flip_index: (K,) joint that takes a joint's place in the mirror.
        input_size: side of the network's input in pixels.
        output_sizes: sides of its outputs in cells.
        seed: keys the draws, together with epoch and index.
        max_bad_images: unreadable images to skip, see ``Unreadable``.
        sigma: a target width per person, None for one width for all.
        shares: ``(images, samples per epoch)`` of each set of a mix.
        labelled: (I, K) bool, the joints that the set of each image labels; None: all of them.
    """

    def __init__(
        self,
        source: ImagePeople,
        augmentation: ImageAugmentation | PartStages[ImageAugmentation],
        flip_index: np.ndarray,
        *,
        input_size: int,
        output_sizes: Sequence[int],
        seed: int,
        max_bad_images: int,
        sigma: PersonSigma | None = None,
        shares: Sequence[tuple[int, int]] | None = None,
        labelled: np.ndarray | None = None,
    ) -> None:
        if isinstance(augmentation, ImageAugmentation):
            augmentation = PartStages.of([Stages(augmentation)], [len(source.rows)])
        self.source, self.stages, self.flip_index = source, augmentation, flip_index
        self.labelled, self._shares = labelled, shares
        self.input_size, self.output_sizes = input_size, tuple(output_sizes)
        self.seed, self.sigma = seed, sigma
        self._unreadable = Unreadable(max_bad_images)

    def __len__(self) -> int:
        return len(self.source.rows)

    @property
    def shares(self) -> Sequence[tuple[int, int]] | None:
        """``(images, samples per epoch)`` of each data set of a mix."""
        return self._shares

    def name(self, index: int) -> str:
        """Return which image sample ``index`` is."""
        return str(self.source.path(index % len(self)))

    def __getitem__(self, key: Key) -> Sample:
        """Return the sample.

        Raises:
            DataError: more images than allowed cannot be read.
        """
        epoch, index = key
        wanted = index % len(self)  # a mix may show an image twice in an epoch, see `shares`
        source = self.source
        row, image = self._unreadable.read(
            wanted, len(self), lambda n: source.images.read(int(source.rows[n])), source.path
        )
        key = (epoch, index + row - wanted)
        augmentation = self.stages.at(epoch, row)
        size = (image.shape[1], image.shape[0])
        view = draw_image_view(keyed_generator(self.seed, *key), augmentation, size)
        sample = self.show(image, row, view)
        operations = augmentation.photometric
        sample["image"] = change_pixels(sample["image"], operations, self.seed, key)
        return sample

    def show(self, image: np.ndarray, index: int, view: ImageView) -> Sample:
        """Return sample ``index`` in the given view."""
        source, side = self.source, self.input_size
        rows = slice(source.starts[index], source.ends[index])
        outlines = source.hidden.get(int(source.rows[index]), [])
        mask = visible_mask(outlines, (image.shape[1], image.shape[0]))
        order = self.flip_index if view.flip else np.arange(len(self.flip_index))
        points = source.people.keypoints[rows][:, order]
        matrices = [view.affine_to(cells) for cells in self.output_sizes]
        sample = {
            "image": warp_crop(image, view.affine_to(side), (side, side)),
            "keypoints": np.stack([points @ m[:, :2].T + m[:, 2] for m in matrices]).astype("f4"),
            "visible": (source.people.visibility[rows][:, order] > 0).astype(np.float32),
            "masks": [
                _warp_mask(mask, matrix, cells)
                for matrix, cells in zip(matrices, self.output_sizes, strict=True)
            ],
        }
        if self.labelled is not None:
            sample["labelled"] = self.labelled[index][order].astype(np.float32)
        if self.sigma is not None:
            sample["sigma"] = self.sigma.of(source.people.boxes[rows], view.zoom_out)
        return sample


def _warp_mask(mask: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
    """Return (side, side) uint8: 1 where more than half of the pixel may be looked at."""
    return (warp_crop(mask, matrix, (side, side)) > 127).astype(np.uint8)  # / 255 > 0.5


def collate_images(samples: Sequence[Sample]) -> dict[str, Any]:
    """Join samples to tensors; people are padded to the most of any image with invisible ones.

    Returns:
        ``image`` (B, I, I, 3) uint8, ``keypoints`` S tensors (B, P, K, 2) float32, ``visible``
        (B, P, K) float32, ``masks`` S tensors (B, R, R) uint8; with a sigma per person ``sigma``
        (B, P) float32 and ``max_sigma``, a number; of a mix ``labelled`` (B, K) float32.
    """
    most = max(len(sample["visible"]) for sample in samples)
    points = np.stack([_pad(sample["keypoints"], 1, most) for sample in samples], axis=1)
    masks = zip(*(sample["masks"] for sample in samples), strict=True)
    batch: dict[str, Any] = {
        "image": torch.from_numpy(np.stack([sample["image"] for sample in samples])),
        "keypoints": list(torch.from_numpy(points).unbind(0)),
        "visible": torch.from_numpy(np.stack([_pad(s["visible"], 0, most) for s in samples])),
        "masks": [torch.from_numpy(np.stack(mask)) for mask in masks],
    }
    if "labelled" in samples[0]:
        batch["labelled"] = torch.from_numpy(np.stack([s["labelled"] for s in samples]))
    if "sigma" in samples[0]:
        sigma = np.stack([_pad(s["sigma"], 0, most, MIN_SIGMA) for s in samples])
        batch["sigma"] = torch.from_numpy(sigma)
        batch["max_sigma"] = float(sigma.max(initial=MIN_SIGMA))
    return batch


def _pad(array: np.ndarray, axis: int, length: int, value: float = 0.0) -> np.ndarray:
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, length - array.shape[axis])
    return np.pad(array, widths, constant_values=value)


def equal_runs(views: Sequence[Sequence[Size] | None], most: int) -> list[list[int]]:
    """Return the places of neighbours that may share a batch: at most ``most``, of equal views.

    Args:
        views: per image its size at every scale, in pixels; None if unknown, which has its own.
        most: images of a batch, which holds no more than ``PIXELS_AT_ONCE`` either.
    """
    runs: list[list[int]] = []
    for place, own in enumerate(views):
        room = 0
        if runs and own is not None and own == views[runs[-1][0]]:
            room = min(most, PIXELS_AT_ONCE // sum(width * height for width, height in own))
        if len(runs[-1] if runs else ()) < room:
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs


class TestImages(Dataset):
    """Whole images, shown at every test scale.

    Item ``i`` is ``{"images": one (1, H, W, 3) uint8 BGR tensor per scale, "size": (width, height)
    of the image, "index": i}``.
    """

    __test__ = False  # not a test, whatever the name

    def __init__(self, images: ImageTable, *, input_size: int, scales: Sequence[float]) -> None:
        self.images, self.input_size, self.scales = images, input_size, tuple(scales)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        """Decode image ``index``.

        Raises:
            DataError: the image cannot be read; testing never skips one.
        """
        return {**show_at_scales(self.images.read(index), self.input_size, self.scales),
                "index": index}  # fmt: skip

    def views(self, index: int) -> list[Size] | None:
        """Return the size of image ``index`` at every scale; None if its file does not say it."""
        size = self.images.size(index)
        if size is None:
            return None
        small = min(self.scales)
        return [view_at_scale(size, self.input_size, scale, small).size for scale in self.scales]


def show_at_scales(image: np.ndarray, input_size: int, scales: Sequence[float]) -> Sample:
    """Return the item of ``TestImages`` for an image (H, W, 3), without its index."""
    size = (image.shape[1], image.shape[0])
    views = [view_at_scale(size, input_size, scale, min(scales)) for scale in scales]
    shown = [warp_crop(image, view.affine_to(view.size), view.size) for view in views]
    return {"images": [torch.from_numpy(pixels)[None] for pixels in shown], "size": size}


def view_loader(
    images: TestImages, *, batch_size: int, workers: int, rank: int = 0, world: int = 1
) -> DataLoader[Sample]:
    """Return batches of a shard of images, see ``collate_views``: every ``world``-th from ``rank``.

    A batch holds images of equal views, as `equal_runs` has it; the largest come first.
    """
    views = {index: images.views(index) for index in range(rank, len(images), world)}
    shard = sorted(views, key=lambda index: views[index] or [], reverse=True)
    runs = equal_runs([views[index] for index in shard], batch_size)
    return DataLoader(
        images,
        batch_sampler=[[shard[place] for place in run] for run in runs],
        collate_fn=collate_views,
        **worker_options(min(limit_workers(workers), len(runs))),
    )


def collate_views(samples: Sequence[Sample]) -> Sample:
    """Join items of ``TestImages``: lists of their ``images``, ``sizes`` and ``indices``."""
    return {
        "images": [sample["images"] for sample in samples],
        "sizes": [sample["size"] for sample in samples],
        "indices": [sample["index"] for sample in samples],
    }
