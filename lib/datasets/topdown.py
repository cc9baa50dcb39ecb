"""Person crops: augmented ones to train on, and those of whole images to test on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from lib.annotations.tables import PersonTable
from lib.datasets.base import Key, TrainData
from lib.datasets.keys import keyed_generator
from lib.datasets.stages import PartStages, Stages
from lib.datasets.transforms import (
    Augmentation,
    View,
    change_pixels,
    cover,
    draw_view,
    map_people,
    view_crop,
)
from lib.datasets.unreadable import Unreadable
from lib.datasets.warp import Needs, warp_crop, warp_crops
from lib.structures.geometry import Size, box_to_crop, image_to_crop_affine
from lib.utils.image_parts import WHOLE, Need, Part
from lib.utils.workers import limit_workers, worker_options

Sample = dict[str, Any]


def person_crops(people: PersonTable, input_size: Size) -> np.ndarray:
    """Return (N, 4) crops ``centre x, centre y, width, height``: the data set's, or from boxes."""
    crops = box_to_crop(people.boxes, input_size[0] / input_size[1])
    return np.where(np.isnan(people.crops), crops, people.crops).astype(np.float32)


def cut_crops(
    image: np.ndarray, crops: np.ndarray, input_size: Size, *, unbiased: bool
) -> np.ndarray:
    """Return (N, H, W, 3) uint8 cut-outs of an image, one per (4,) row of ``crops``."""
    matrices = image_to_crop_affine(crops, input_size, unbiased=unbiased)
    return _cut(Part(image), matrices, input_size)


def _cut(image: Part, matrices: np.ndarray, input_size: Size) -> np.ndarray:
    width, height = input_size
    pixels = np.empty((len(matrices), height, width, 3), np.uint8)
    warp_crops(image.pixels, image.maps(matrices), input_size, pixels)
    return pixels


class PersonCrops(Dataset):
    """The crops of one image at a time: an image with twenty boxes is decoded once.

    Item ``i`` is ``{"image": (n, H, W, 3) uint8 BGR, "crop": (n, 4) float32, "index": (n,) int64}``
    of the ``i``-th image that has people; ``index`` are its rows in ``people``, in whatever order
    those stand (MPII's keep that of the ground truth). ``reduced``: see `Needs`.
    """

    def __init__(
        self, people: PersonTable, *, input_size: Size, unbiased: bool, reduced: bool = False
    ) -> None:
        self.people = people
        self.reduced = reduced
        self.input_size = input_size
        self.crops = person_crops(people, input_size)
        # Of all people at once: NumPy spends as much on an image's as on thousands.
        self.matrices = image_to_crop_affine(self.crops, input_size, unbiased=unbiased)
        self._needs = Needs(self.matrices, input_size, reduced=reduced)
        self.order = np.argsort(people.image_index, kind="stable")
        _, self.starts = np.unique(people.image_index[self.order], return_index=True)
        self.ends = np.append(self.starts[1:], len(people))

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> Sample:
        """Decode image ``index`` and cut out its people.

        Raises:
            DataError: the image cannot be read; testing never skips one.
        """
        rows = self.rows_of(index)
        image = self.people.read_part(int(rows[0]), self._needs.of(rows))
        pixels = _cut(image, self.matrices[rows], self.input_size)
        return {"image": pixels, "crop": self.crops[rows], "index": rows}

    def count(self, images: Sequence[int]) -> int:
        """Return how many people there are in some images."""
        return int((self.ends - self.starts)[images].sum())

    def rows_of(self, index: int) -> np.ndarray:
        """Return the rows of ``people`` in image ``index``, (n,) int64."""
        return self.order[self.starts[index] : self.ends[index]]


class CropLoader:
    """Batches of ``batch_size`` crops, re-cut from images with any number of people.

    As items of `PersonCrops`, but tensors (where the items have them, too) except for ``index``,
    which no device needs.
    """

    def __init__(self, images: Iterable[Sample], count: int, batch_size: int) -> None:
        self._images = images
        self._count = count
        self._batch_size = batch_size

    def __len__(self) -> int:
        return -(-self._count // self._batch_size)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        left, filled = self._count, 0
        batch: Sample = {}
        for sample in self._images:
            start, count = 0, len(sample["index"])
            while start < count:
                if not filled:
                    batch = _unset(sample, min(left, self._batch_size))
                size = len(batch["index"])
                taken = min(count - start, size - filled)
                for key, values in sample.items():
                    batch[key][filled : filled + taken] = values[start : start + taken]
                start, filled = start + taken, filled + taken
                if filled == size:
                    yield {k: v if k == "index" else torch.as_tensor(v) for k, v in batch.items()}
                    left, filled = left - size, 0


def _unset(like: Sample, size: int) -> Sample:
    """Return arrays, or tensors, for ``size`` people, as those of a sample."""
    return {
        key: v.new_empty((size, *v.shape[1:]))
        if isinstance(v, torch.Tensor)
        else np.empty((size, *v.shape[1:]), v.dtype)
        for key, v in like.items()
    }


def crop_loader(
    crops: PersonCrops,
    *,
    batch_size: int,
    workers: int,
    rank: int = 0,
    world: int = 1,
) -> CropLoader:
    """Return the batches of every ``world``-th image from ``rank`` on; no image comes twice."""
    shard = list(range(rank, len(crops), world))
    count = crops.count(shard)
    processes = min(limit_workers(workers), len(shard))
    if not processes:
        return CropLoader(_InThisProcess(crops, shard), count, batch_size)
    loader = DataLoader(
        crops,
        batch_size=None,  # one image is one item; batches are cut afterwards
        sampler=shard,
        collate_fn=_untouched,
        **worker_options(processes),
    )
    return CropLoader(loader, count, batch_size)


@dataclass(frozen=True)
class _InThisProcess:
    """Yields items as they are; ``DataLoader`` would spend some time on each."""

    crops: PersonCrops
    shard: list[int]

    def __iter__(self) -> Iterator[Sample]:
        return map(self.crops.__getitem__, self.shard)


def _untouched(sample: Any) -> Any:
    return sample  # DataLoader would turn arrays into tensors before they are joined


class TrainCrops(TrainData):
    """Augmented crops of people.

    Sample ``(epoch, index)`` is ``{"image": (H, W, 3) uint8 BGR, "keypoints": (K, 2) float32 in
    crop pixels, "visible": (K,) float32 0 or 1, "index": int64}``.

    An unreadable image is replaced by the next person's and named in a warning, up to
    ``max_bad_images`` of them per worker. ``reduced``: see `Needs`.
    """

    def __init__(
        self,
        people: PersonTable,
        augmentation: Augmentation | PartStages[Augmentation],
        *,
        input_size: Size,
        seed: int,
        unbiased: bool,
        max_bad_images: int,
        shares: Sequence[tuple[int, int]] | None = None,
        reduced: bool = False,
    ) -> None:
        self.people = people
        self._shares = shares
        self.reduced = reduced
        if isinstance(augmentation, Augmentation):
            augmentation = PartStages.of([Stages(augmentation)], [len(people)])
        self.stages = augmentation
        self.skeleton = augmentation.at(0, 0).skeleton
        self.input_size = input_size
        self.seed = seed
        self.unbiased = unbiased
        self.crops = person_crops(people, input_size)
        self._unreadable = Unreadable(max_bad_images)

    def __len__(self) -> int:
        return len(self.people)

    @property
    def sources(self) -> np.ndarray:
        """The image of each sample, (N,)."""
        return self.people.image_index

    @property
    def shares(self) -> Sequence[tuple[int, int]] | None:
        """``(people, samples per epoch)`` of each data set of a mix."""
        return self._shares

    def row(self, key: Key) -> int:
        """Return the person of a sample; in an epoch that shows people twice, see `shares`."""
        return key[1] % len(self.people)

    def name(self, index: int) -> str:
        """Return which person of which image sample ``index`` is."""
        index %= len(self.people)
        return f"{self.people.image_path(index)} (annotation {self.people.ids[index]})"

    def __getitem__(self, key: Key) -> Sample:
        """Return the sample.

        Raises:
            DataError: more images than ``max_bad_images`` cannot be read.
        """
        return {name: values[0] for name, values in self.batch([key]).items()}

    def batch(self, keys: Sequence[Key]) -> Sample:
        """Return several samples, each value of theirs as one array, a sample to a row.

        An image is decoded once for all its people, and whatever needs no pixels is done before:
        between two images, NumPy's functions would have left the processor's caches.

        Raises:
            DataError: more images than ``max_bad_images`` cannot be read.
        """
        rows = np.array([self.row(key) for key in keys])
        views, (matrices, keypoints, visible) = self._plan(keys)
        needs = Needs(matrices, self.input_size, reduced=self.reduced)
        pixels = np.empty((len(keys), self.input_size[1], self.input_size[0], 3), np.uint8)
        for places in _same_values(self.people.image_index[rows]):
            first = int(rows[places[0]])
            sound, image = self.read(first, needs.of(places))
            if sound != first:  # the people of a damaged image give way to others
                return self.batch([(key[0], self.read(self.row(key))[0]) for key in keys])
            if len(places) == 1:
                matrix = image.maps(matrices[places])[0]
                warp_crop(image.pixels, matrix, self.input_size, out=pixels[places[0]])
            else:
                pixels[places] = _cut(image, matrices[places], self.input_size)
        for key, view, target in zip(keys, views, pixels, strict=True):
            self._change_pixels(key, view, target)
        seen = (visible > 0).astype(np.float32)
        return {"image": pixels, "keypoints": keypoints, "visible": seen, "index": rows}

    def read(self, index: int, need: Need = WHOLE) -> tuple[int, Part]:
        """Return sample ``index``, or the next whose image is sound, and what is needed of that."""
        people = self.people
        return self._unreadable.read(
            index, len(self), lambda n: people.read_part(n, need), people.image_path
        )

    def _change_pixels(self, key: Key, view: View, pixels: np.ndarray) -> None:
        """Do to the (H, W, 3) pixels of a crop, in place, what leaves its joints alone."""
        operations = self.stages.at(key[0], self.row(key)).photometric
        if operations:
            pixels[:] = change_pixels(pixels, operations, self.seed, key)
        cover(pixels, view)

    def _plan(self, keys: Sequence[Key]) -> tuple[list[View], tuple[np.ndarray, ...]]:
        """Draw the views of samples; return them with what `map_people` says."""
        rows = [self.row(key) for key in keys]
        people, size = self.people, self.input_size
        keypoints, visible = people.keypoints[rows], people.visibility[rows]
        views, crops = [], []
        for place, (key, row) in enumerate(zip(keys, rows, strict=True)):
            augmentation = self.stages.at(key[0], row)
            view = draw_view(keyed_generator(self.seed, *key), augmentation, size)
            views.append(view)
            crops.append(
                view_crop(
                    self.crops[row],
                    keypoints[place],
                    visible[place],
                    view,
                    augmentation,
                    size[0] / size[1],
                )
            )
        return views, map_people(
            np.stack(crops),
            keypoints,
            visible,
            views,
            self.skeleton.flip_index,
            input_size=size,
            unbiased=self.unbiased,
        )


def _same_values(values: np.ndarray) -> list[list[int]]:
    """Return the places of each different value, in the order of their first one."""
    places: dict[int, list[int]] = {}
    for place, value in enumerate(values.tolist()):
        places.setdefault(value, []).append(place)
    return list(places.values())
