"""The checked format of an annotation file, which everything that uses annotations shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lib.annotations.categories import PersonCategory
from lib.annotations.decisions import Decision
from lib.annotations.tables import ImageTable, PersonTable, join_people
from lib.structures.skeleton import Skeleton
from lib.utils.errors import DataError


@dataclass(frozen=True, eq=False)
class Annotations:
    """Everybody in an annotation file, before any task has chosen whom it needs.

    Training takes the columns of ``people``, in single precision. Scoring takes the same numbers as
    the file has them, in double precision (``triples``, ``boxes``, ``areas``): scores depend on the
    last digit. A joint more than a pixel outside its image is not labelled in ``people``, for there
    is nothing to learn from; in ``triples`` it is, for COCO's rules count it.

    Attributes:
        path: the file, for messages.
        people: N annotations ordered by image, crowd regions and people without joints included.
        is_crowd: (N,) bool.
        num_keypoints: (N,) int32, labelled joints (CrowdPose counts twelve of its fourteen).
        segmentations: N outlines in COCO's own format as JSON bytes, None for none; empty
            unless asked for.
        skeleton: from the file's ``categories``, or the one given to the reader.
        category: what people are in the file.
        category_index: (N,) int32, positions in ``category_ids``; 0 where categories are pooled.
        category_ids: of the categories that are told apart.
        triples: (N, K, 3) float64 ``x, y, visibility``.
        boxes: (N, 4) float64 ``x, y, width, height``.
        areas: (N,) float64 square pixels.
        crowd_index: (I,) float64, CrowdPose's measure of how crowded an image is; NaN elsewhere.
        has_truth: false for a file that lists images only, as those of COCO's test sets do.
        own_ids: N annotation ids as written, where they are not the numbers ``people.ids``.
        decisions: what had to be decided.
    """

    path: str
    people: PersonTable
    is_crowd: np.ndarray
    num_keypoints: np.ndarray
    segmentations: np.ndarray
    skeleton: Skeleton
    category: PersonCategory
    triples: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    crowd_index: np.ndarray
    category_index: np.ndarray
    category_ids: tuple[Any, ...]
    has_truth: bool = True
    own_ids: tuple[Any, ...] | None = None
    decisions: tuple[Decision, ...] = ()

    @property
    def images(self) -> ImageTable:
        """The images, those without people included."""
        return self.people.images

    def select(self, keep: np.ndarray) -> Annotations:
        """Return the annotations of a mask; the images stay as they are."""
        if keep.all():
            return self
        columns = {name: getattr(self, name)[keep] for name in _COLUMNS}
        outlines = self.segmentations[keep] if len(self.segmentations) else self.segmentations
        own = self.own_ids
        return replace(
            self,
            people=self.people.select(keep),
            segmentations=outlines,
            own_ids=None if own is None else tuple(own[n] for n in np.flatnonzero(keep)),
            **columns,
        )

    def label(self, index: int) -> Any:
        """Return the id of annotation ``index`` as the file writes it."""
        return int(self.people.ids[index]) if self.own_ids is None else self.own_ids[index]


_COLUMNS = ("is_crowd", "num_keypoints", "triples", "boxes", "areas", "category_index")


def coco_ground_truth(annotations: Annotations) -> dict[str, Any]:
    """Return annotations as the data set that pycocotools scores.

    Annotation ids count from 1: pycocotools takes a match with id 0 for none.
    """
    images, joints = annotations.images, annotations.skeleton.num_joints
    labels = [images.label(n) for n in range(len(images))]
    columns = zip(
        annotations.people.image_index.tolist(),
        annotations.category_index.tolist(),
        annotations.triples.reshape(len(annotations.people), 3 * joints).tolist(),
        annotations.boxes.tolist(),
        annotations.areas.tolist(),
        annotations.is_crowd.astype(int).tolist(),
        annotations.num_keypoints.tolist(),
        strict=True,
    )
    rows = [
        {
            "id": place + 1,
            "image_id": labels[image],
            "category_id": annotations.category_ids[kind],
            "keypoints": keypoints,
            "bbox": box,
            "area": area,
            "iscrowd": crowd,
            "num_keypoints": count,
        }
        for place, (image, kind, keypoints, box, area, crowd, count) in enumerate(columns)
    ]
    names = list(annotations.skeleton.joints)
    return {
        "images": [{"id": label} for label in labels],
        "annotations": rows,
        "categories": [{"id": own, "keypoints": names} for own in annotations.category_ids],
    }


def join_annotations(parts: Sequence[Annotations]) -> Annotations:
    """Return the annotations of several files on the same images folder as those of one.

    Raises:
        DataError: an image is listed by two of them, or their skeletons differ.
    """
    if len(parts) == 1:
        return parts[0]
    tables = [part.images for part in parts]
    labels = [str(table.label(n)) for table in tables for n in range(len(table))]
    if len(set(labels)) < len(labels):
        raise DataError("Two of the joined files list the same image.")
    if any(part.skeleton != parts[0].skeleton for part in parts):
        raise DataError("The joined files annotate different joints.")
    starts = np.cumsum([0, *(len(table) for table in tables)])
    moved = [
        replace(part.people, image_index=part.people.image_index + np.int32(start))
        for part, start in zip(parts, starts, strict=False)
    ]
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in (*_COLUMNS, "segmentations", "crowd_index")
    }
    own = any(part.own_ids is not None for part in parts)
    return replace(
        parts[0],
        path=" + ".join(part.path for part in parts),
        people=join_people(moved, _join_images(tables)),
        own_ids=tuple(part.label(n) for part in parts for n in range(len(part.people)))
        if own
        else None,
        decisions=tuple(decision for part in parts for decision in part.decisions),
        **joined,
    )


def _join_images(tables: Sequence[ImageTable]) -> ImageTable:
    ids, own = np.concatenate([table.ids for table in tables]), None
    if any(table.own is not None for table in tables):
        own = tuple(table.label(n) for table in tables for n in range(len(table)))
        ids = np.arange(1, len(own) + 1)
    files = np.concatenate([table.files for table in tables])
    return ImageTable(tables[0].folder, files, ids, np.concatenate([t.sizes for t in tables]), own)
