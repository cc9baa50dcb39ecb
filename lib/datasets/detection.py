"""Whole images with everybody in them, for detectors of people and their joints.

Coordinates here are continuous, as detectors regress them: pixel ``i`` covers ``[i, i + 1)``, so
that a mirror is ``x -> width - x``. COCO's joints are pixel indices: they gain half a pixel when
they are read, ``lib.tasks.rcnn`` takes it off again when poses are exported. COCO's boxes are
continuous already.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from lib.annotations.form import Annotations
from lib.annotations.tables import ImageTable
from lib.datasets.base import Key, TrainData
from lib.datasets.image_view import ImageAugmentation
from lib.datasets.keys import keyed_generator
from lib.datasets.mix import exact_shares, join_images
from lib.datasets.stages import PartStages
from lib.datasets.transforms import change_pixels
from lib.datasets.unreadable import Unreadable
from lib.structures.geometry import xywh_to_xyxy
from lib.utils.errors import DataError
from lib.utils.workers import limit_workers, worker_options

logger = logging.getLogger(__name__)

Sample = dict[str, Any]
HALF_PIXEL = 0.5


@dataclass(frozen=True)
class ImagePeople:
    """Everybody to be found in I images, in continuous coordinates.

    Attributes:
        images: the images.
        starts: (I + 1,) int64; people ``starts[i] : starts[i + 1]`` are in image ``i``.
        boxes: (N, 4) float32 ``x1, y1, x2, y2`` inside the image, with area.
        keypoints: (N, K, 3) float32 ``(x, y, visibility)``; all zero where not labelled.
        labelled: (I,) int64, labelled joints per image, those of crowd regions included.
    """

    images: ImageTable
    starts: np.ndarray
    boxes: np.ndarray
    keypoints: np.ndarray
    labelled: np.ndarray


def image_people(annotations: Annotations) -> ImagePeople:
    """Collect people by image: no crowds, boxes cut to the image, those without area left out.

    A joint outside the image counts as not labelled. People without any joint stay: they are to be
    found all the same.
    """
    people = annotations.people
    limits = people.images.sizes[people.image_index].astype(np.float32)  # (N, 2)
    corners = xywh_to_xyxy(people.boxes).reshape(-1, 2, 2)
    boxes = corners.clip(0, limits[:, None]).reshape(-1, 4)
    has_area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    wanted = ~annotations.is_crowd
    if (wanted & ~has_area).any():
        logger.warning("%d boxes without area are left out", int((wanted & ~has_area).sum()))
    points = people.keypoints + HALF_PIXEL
    inside = ((points >= 0) & (points <= limits[:, None])).all(axis=2)
    visibility = np.where(inside, people.visibility, 0)[..., None]
    keypoints = np.concatenate([points, visibility], axis=2) * (visibility > 0)
    keep = wanted & has_area
    rows = np.arange(len(people.images) + 1)
    per_image = np.bincount(
        people.image_index, (visibility > 0).sum(axis=(1, 2)), minlength=len(people.images)
    )
    return ImagePeople(
        images=people.images,
        starts=np.searchsorted(people.image_index[keep], rows),
        boxes=boxes[keep].astype(np.float32),
        keypoints=keypoints[keep].astype(np.float32),
        labelled=per_image.astype(np.int64),
    )


def join_people(parts: Sequence[ImagePeople]) -> ImagePeople:
    """Return the images of several data sets, one after the other."""
    if len(parts) == 1:
        return parts[0]
    before = np.cumsum([0, *(len(part.boxes) for part in parts)])
    starts = [part.starts[:-1] + n for part, n in zip(parts, before.tolist(), strict=False)]
    return ImagePeople(
        images=join_images([part.images for part in parts]),
        starts=np.concatenate([*starts, before[-1:]]),
        boxes=np.concatenate([part.boxes for part in parts]),
        keypoints=np.concatenate([part.keypoints for part in parts]),
        labelled=np.concatenate([part.labelled for part in parts]),
    )


def mirror_people(
    boxes: np.ndarray, keypoints: np.ndarray, width: int, flip_index: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mirror boxes (N, 4) xyxy and joints (N, K, 3) of an image of ``width`` pixels."""
    boxes = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)
    turned = keypoints[:, flip_index].copy()
    turned[..., 0] = np.where(turned[..., 2] > 0, width - turned[..., 0], 0)
    return boxes, turned


class TrainImages(TrainData):
    """Images to train a detector on.

    Sample ``(epoch, index)`` is ``{"image": (H, W, 3) uint8 BGR, "boxes": (N, 4) float32 xyxy,
    "keypoints": (N, K, 3) float32, "image_id": int}``, mirrored or not. An unreadable image is
    replaced by the next one and named in a warning.

    Args:
        people: everybody.
        flip_index: (K,) joints of a mirror image.
        stages: what may be done to an image, a mirror and changes of colour, by epoch and part.
        seed: keys the draws with epoch and image.
        min_keypoints: labelled joints an image must have to be used.
        max_bad_images: unreadable images that are tolerated per worker.
        weights: of each part of a mix, see `exact_shares`.

    Raises:
        DataError: no image has enough joints.
    """

    def __init__(
        self,
        people: ImagePeople,
        flip_index: np.ndarray,
        *,
        stages: PartStages[ImageAugmentation],
        seed: int,
        min_keypoints: int,
        max_bad_images: int,
        weights: Sequence[float] = (0.0,),
    ) -> None:
        self.people = people
        self.flip_index = flip_index
        self.stages = stages
        self.seed = seed
        self.rows = np.flatnonzero(people.labelled >= min_keypoints)
        self._weights = weights
        self._unreadable = Unreadable(max_bad_images)
        if not len(self.rows):
            raise DataError(
                f"None of the {len(people.images)} training images ({people.images.folder}) has "
                f"{min_keypoints} labelled joints (MODEL.EXTRA.INPUT.MIN_KEYPOINTS)."
            )

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shares(self) -> Sequence[tuple[int, int]] | None:
        """``(images, samples per epoch)`` of each data set of a mix."""
        if len(self._weights) == 1:
            return None
        ends = np.searchsorted(self.rows, self.stages.ends)
        return exact_shares(np.diff(ends, prepend=0).tolist(), self._weights)

    def name(self, index: int) -> str:
        """Return which image sample ``index`` is."""
        row = int(self.rows[index % len(self)])
        return f"{self.people.images.path(row)} (image {self.people.images.ids[row]})"

    def aspect_groups(self) -> list[int]:
        """Return 0 for each image that is wider than high, 1 for the others."""
        sizes = self.people.images.sizes[self.rows]
        return (sizes[:, 0] <= sizes[:, 1]).astype(int).tolist()

    def __getitem__(self, key: Key) -> Sample:
        """Return the sample.

        Raises:
            DataError: more images than ``max_bad_images`` cannot be read.
        """
        epoch, index = key
        again, index = divmod(index, len(self))  # a mix may show an image twice in an epoch
        images = self.people.images
        index, image = self._unreadable.read(
            index,
            len(self),
            lambda n: images.read(int(self.rows[n])),
            lambda n: images.path(int(self.rows[n])),
        )
        return self._sample(image, epoch, int(self.rows[index]), again)

    def _sample(self, image: np.ndarray, epoch: int, row: int, again: int) -> Sample:
        people, key = self.people, (epoch, row + again * len(self.people.images))
        augmentation = self.stages.at(epoch, row)
        of_image = slice(people.starts[row], people.starts[row + 1])
        boxes, keypoints = people.boxes[of_image], people.keypoints[of_image]
        image = change_pixels(image, augmentation.photometric, self.seed, key)
        if keyed_generator(self.seed, *key).random() < augmentation.flip:
            image = cv2.flip(image, 1)
            boxes, keypoints = mirror_people(boxes, keypoints, image.shape[1], self.flip_index)
        image_id = int(people.images.ids[row])
        return {"image": image, "boxes": boxes, "keypoints": keypoints, "image_id": image_id}


class WholeImages(Dataset[Sample]):
    """All images of a split; item ``i`` is ``{"image": (H, W, 3) uint8 BGR, "index": i}``."""

    def __init__(self, images: ImageTable) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        """Decode image ``index``.

        Raises:
            DataError: the image cannot be read; testing never skips one.
        """
        return {"image": self.images.read(index), "index": index}


def image_loader(
    images: WholeImages, *, batch_size: int, workers: int, rank: int = 0, world: int = 1
) -> DataLoader[Sample]:
    """Return batches of a shard of images, see ``collate_images``.

    The shard is every ``world``-th image from ``rank`` on, those of like shape together: a batch is
    padded to its largest image.
    """
    width, height = images.images.sizes.T
    shard = sorted(range(rank, len(images), world), key=lambda i: width[i] / max(height[i], 1))
    return DataLoader(
        images,
        batch_size=batch_size,
        sampler=shard,
        collate_fn=collate_images,
        **worker_options(min(limit_workers(workers), len(shard))),
    )


def collate_images(samples: list[Sample]) -> dict[str, list[Any]]:
    """Join samples of ``WholeImages``: a list of (H, W, 3) uint8 tensors, a list of indices."""
    return {
        "images": [torch.from_numpy(sample["image"]) for sample in samples],
        "indices": [sample["index"] for sample in samples],
    }


def collate_targets(samples: list[Sample]) -> dict[str, list[Any]]:
    """Join samples of ``TrainImages``.

    Returns:
        ``images``, a list of (H, W, 3) uint8 BGR tensors, and ``targets``, a list of dictionaries
        as ``KeypointRCNN.forward`` wants them; everybody's label is 1.
    """
    targets = [
        {
            "boxes": torch.from_numpy(sample["boxes"]),
            "labels": torch.ones(len(sample["boxes"]), dtype=torch.int64),
            "keypoints": torch.from_numpy(sample["keypoints"]),
            "image_id": torch.tensor(sample["image_id"]),
        }
        for sample in samples
    ]
    return {"images": [torch.from_numpy(sample["image"]) for sample in samples], "targets": targets}
