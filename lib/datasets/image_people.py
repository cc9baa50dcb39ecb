"""Annotations arranged by image: whose joints count, and what the loss must not look at.

As HigherHRNet was trained (Cheng et al. 2020): crowds and people without labelled joints are
hidden, and people without labelled joints keep their place in the list.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.annotations.form import Annotations
from lib.annotations.tables import ImageTable, PersonTable
from lib.datasets.mix import join_images, join_sets
from lib.utils.errors import DataError

SHORTEST_POLYGON = 6  # numbers: three corners


@dataclass(frozen=True)
class ImagePeople:
    """The people of whole images, and what the loss must not look at.

    Attributes:
        images: all images of the split.
        rows: (I,) int64 images that have an annotated person or crowd.
        people: those whose joints count, ordered by image; unlabelled ones keep their place.
        starts: (I,) first person of each image of ``rows``; ``ends`` one past the last.
        ends: see ``starts``.
        hidden: row of ``images`` -> outlines (JSON bytes) of crowds and unlabelled people.
    """

    images: ImageTable
    rows: np.ndarray
    people: PersonTable
    starts: np.ndarray
    ends: np.ndarray
    hidden: dict[int, list[bytes]]

    def path(self, index: int) -> str:
        """Return the path of the image of sample ``index``."""
        return self.images.path(int(self.rows[index]))


def people_of_images(annotations: Annotations, *, with_center: bool = False) -> ImagePeople:
    """Arrange annotations by image.

    Args:
        annotations: of a split; without outlines nothing is hidden.
        with_center: give everybody one joint more, the mean of the labelled ones.
    """
    everyone = annotations.people
    rows = np.unique(everyone.image_index)
    unlabelled = annotations.num_keypoints == 0
    people = everyone.select(~annotations.is_crowd | ~unlabelled)
    if with_center:
        people = _with_center(people)
    hidden: dict[int, list[bytes]] = {}
    if len(annotations.segmentations):
        for person in np.flatnonzero(annotations.is_crowd | unlabelled):
            if annotations.segmentations[person] is not None:
                image = int(everyone.image_index[person])
                hidden.setdefault(image, []).append(annotations.segmentations[person])
    return ImagePeople(
        images=everyone.images,
        rows=rows,
        people=people,
        starts=np.searchsorted(people.image_index, rows),
        ends=np.searchsorted(people.image_index, rows, side="right"),
        hidden=hidden,
    )


def join_image_people(parts: Sequence[ImagePeople]) -> ImagePeople:
    """Return the images and people of several sets, one after the other."""
    if len(parts) == 1:
        return parts[0]
    images = np.cumsum([0, *(len(part.images) for part in parts)])[:-1]
    people = np.cumsum([0, *(len(part.people) for part in parts)])[:-1]
    numbered = list(zip(parts, images.tolist(), people.tolist(), strict=True))
    return ImagePeople(
        images=join_images([part.images for part in parts]),
        rows=np.concatenate([part.rows + start for part, start, _ in numbered]),
        people=join_sets([part.people for part in parts]),
        starts=np.concatenate([part.starts + start for part, _, start in numbered]),
        ends=np.concatenate([part.ends + start for part, _, start in numbered]),
        hidden={row + n: found for part, n, _ in numbered for row, found in part.hidden.items()},
    )


def _with_center(people: PersonTable) -> PersonTable:
    labelled = (people.visibility > 0)[..., None]
    count = labelled.sum(axis=1)  # (N, 1)
    centre = (people.keypoints * labelled).sum(axis=1) / np.maximum(count, 1)
    columns = {name: getattr(people, name) for name in vars(people)}
    columns["keypoints"] = np.concatenate(
        [people.keypoints, centre[:, None].astype(np.float32)], axis=1
    )
    columns["visibility"] = np.concatenate(
        [people.visibility, (count > 0).astype(np.uint8)], axis=1
    )
    return PersonTable(**columns)


def visible_mask(outlines: Sequence[bytes], size: tuple[int, int]) -> np.ndarray:
    """Return (h, w) uint8, 255 where the loss may look and 0 inside the outlines.

    Args:
        outlines: COCO segmentations as JSON: lists of polygons, or run lengths.
        size: ``(width, height)`` of the image.

    Raises:
        DataError: an outline is neither.
    """
    width, height = size
    mask = np.full((height, width), 255, np.uint8)
    for outline in outlines:
        try:
            mask[_rasterise(json.loads(outline), width, height)] = 0
        except Exception as error:
            raise DataError(
                f"'segmentation' cannot be read: {error} in {outline!r:.100}."
            ) from None
    return mask


def _rasterise(shape: Any, width: int, height: int) -> np.ndarray:
    """Return (h, w) bool, True inside a COCO segmentation."""
    from pycocotools import mask as coco_mask

    if isinstance(shape, dict):
        runs: Any = shape
        if not isinstance(shape["counts"], str):
            runs = coco_mask.frPyObjects(runs, height, width)
    else:
        polygons = [polygon for polygon in shape if len(polygon) >= SHORTEST_POLYGON]
        if not polygons:
            return np.zeros((height, width), bool)
        runs = coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
    return coco_mask.decode(runs).astype(bool)
