"""The people of several pictures as crops, cut a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from lib.codecs.base import Codec, Output
from lib.datasets.topdown import cut_crops
from lib.structures.geometry import box_to_crop, xyxy_to_xywh
from lib.structures.results import Poses
from lib.tasks.heat import paste_maps
from lib.tasks.transfer import HostCopy


class PictureCrops:
    """Crops of the people of pictures; iterating cuts them.

    Args:
        images: (H, W, 3) uint8 each.
        boxes: (N, 4) ``x1, y1, x2, y2`` of the people of each; None takes the picture as a person.
        codec: says the size of the crops, and how lengths are measured.
        step: how many crops to cut at a time.

    Attributes:
        boxes: (M, 4) float32 of all people, picture by picture.
        crops: (M, 4) float32 ``centre x, centre y, width, height``.
        owners: (M,) numbers of the pictures.
    """

    def __init__(
        self,
        images: Sequence[np.ndarray],
        boxes: Sequence[np.ndarray | None],
        codec: Codec,
        step: int,
    ) -> None:
        regions = [_boxes_of(image, given) for image, given in zip(images, boxes, strict=True)]
        self.boxes = np.concatenate([np.zeros((0, 4), np.float32), *regions])
        width, height = codec.input_size
        self.crops = box_to_crop(xyxy_to_xywh(self.boxes), width / height)
        self.owners = np.repeat(np.arange(len(images)), [len(region) for region in regions])
        self._images, self._codec, self._step = images, codec, step

    def __iter__(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield rows of ``crops`` and their pixels (n, h, w, 3)."""
        size, unbiased = self._codec.input_size, self._codec.unbiased
        for start in range(0, len(self.crops), self._step):
            rows = slice(start, start + self._step)
            owners = self.owners[rows]
            parts = [
                cut_crops(self._images[n], self.crops[rows][owners == n], size, unbiased=unbiased)
                for n in np.unique(owners)
            ]
            yield rows, np.concatenate(parts)

    def heat(self, answers: Iterable[Output], joints: Sequence[int] | None = None) -> np.ndarray:
        """Return the strongest map of any person at every pixel (H, W) of the only picture.

        Args:
            answers: what the network says of each batch of crops.
            joints: numbers of those that count; None means all.
        """
        picture = np.zeros(self._images[0].shape[:2], np.float32)
        chosen = slice(None) if joints is None else list(joints)
        starts = range(0, len(self.crops), self._step)
        for start, answer in zip(starts, answers, strict=True):
            maps = self._codec.maps(answer)[:, chosen].amax(dim=1).float().cpu().numpy()
            crops = self.crops[start : start + self._step]
            paste_maps(picture, maps, crops, unbiased=self._codec.unbiased)
        return picture


def _boxes_of(image: np.ndarray, boxes: np.ndarray | None) -> np.ndarray:
    """Return ``boxes``, or the whole image, as (N, 4) float32."""
    if boxes is None:
        boxes = np.array([[0, 0, image.shape[1], image.shape[0]]])
    return np.asarray(boxes, np.float32).reshape(-1, 4)


def join_poses(
    joints: list[HostCopy], scores: np.ndarray | None = None, **who: np.ndarray
) -> Poses:
    """Wait for joints; without ``scores`` of the people those are the means of their joints'."""
    found = np.concatenate([part.numpy() for part in joints])
    values = found[..., 2]
    people = values.mean(axis=1) if scores is None else scores
    return Poses(keypoints=found[..., :2], keypoint_scores=values, scores=people, **who)
