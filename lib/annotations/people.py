"""``annotations`` of a COCO file -> people: each part by its module, then what the whole says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from lib.annotations.areas import read_areas
from lib.annotations.boxes import Evidence, read_boxes
from lib.annotations.categories import PersonCategory
from lib.annotations.columns import Rows, column, flagged
from lib.annotations.decisions import Decisions
from lib.annotations.form import Annotations
from lib.annotations.ids import read_ids
from lib.annotations.images import image_rows
from lib.annotations.joints import count_labelled, read_joints
from lib.annotations.outlines import Outline, is_plain, plain_outline
from lib.annotations.tables import ImageTable, PersonTable
from lib.structures.skeleton import Skeleton
from lib.utils.errors import DataError


def read_people(
    rows: Rows,
    images: ImageTable,
    skeleton: Skeleton,
    category: PersonCategory,
    decisions: Decisions,
    *,
    with_outlines: bool,
    for_scores: bool = False,
) -> Annotations:
    """Return the people of ``rows``, the annotations of the category of people.

    Raises:
        DataError: an entry has no meaning; the message names it.
    """
    ids, own_ids = read_ids(rows, "annotation", decisions, may_lack=True)
    image_index = image_rows(rows, images, decisions)
    # A stable sort: people of an image keep the order of the file.
    order = np.argsort(image_index, kind="stable")
    rows, image_index, ids = [rows[i] for i in order], image_index[order], ids[order]
    labels = ids.tolist() if own_ids is None else [own_ids[i] for i in order]
    triples = read_joints(rows, labels, skeleton, decisions)
    sizes = images.sizes[image_index]
    outlines = _outlines(rows, labels, sizes, decisions)
    evidence = Evidence(triples, sizes, outlines, labels)
    boxes = read_boxes(rows, evidence, decisions)
    areas = read_areas(rows, boxes, evidence, decisions)
    found = Annotations(
        path=decisions.path,
        people=_person_table(images, image_index, ids, triples, boxes, areas),
        is_crowd=_crowds(rows, triples, labels, decisions, for_scores=for_scores),
        num_keypoints=count_labelled(rows, triples, labels, skeleton, decisions),
        segmentations=_as_json(outlines) if with_outlines else np.zeros(0, object),
        skeleton=skeleton,
        category=category,
        triples=triples,
        boxes=boxes,
        areas=areas,
        crowd_index=np.full(len(images), np.nan),
        category_index=category.positions(rows, pooled=not for_scores),
        category_ids=category.ids if for_scores else (category.id,),
        own_ids=None if own_ids is None else tuple(labels),
    )
    _drop_outside(found.people, labels, decisions, usual=for_scores)
    return found.select(_worth_keeping(found, labels, decisions))


def _person_table(
    images: ImageTable,
    image_index: np.ndarray,
    ids: np.ndarray,
    triples: np.ndarray,
    boxes: np.ndarray,
    areas: np.ndarray,
) -> PersonTable:
    """Return the columns that training uses, in single precision."""
    visibility = triples[..., 2].astype(np.uint8)
    return PersonTable(
        images=images,
        image_index=image_index,
        ids=ids,
        boxes=boxes.astype(np.float32),
        crops=np.full((len(ids), 4), np.nan, np.float32),
        scores=np.ones(len(ids), np.float32),
        keypoints=triples[..., :2].astype(np.float32) * (visibility > 0)[..., None],
        visibility=visibility,
        areas=areas.astype(np.float32),
    )


def _drop_outside(
    people: PersonTable, labels: Sequence[Any], decisions: Decisions, *, usual: bool
) -> None:
    """Mark joints more than a pixel outside their image as not labelled, in place."""
    sizes = people.images.sizes[people.image_index]
    limits = np.where((sizes > 0).all(axis=1, keepdims=True), sizes, np.inf)
    inside = (people.keypoints >= -1).all(axis=2) & (people.keypoints <= limits[:, None]).all(
        axis=2
    )
    outside = (people.visibility > 0) & ~inside
    if not outside.any():
        return
    decisions.add(
        "keypoints",
        f"{outside.sum()} joints outside their image are not trained on (scores count them, by "
        "COCO's "
        "rules), of {n} people",
        flagged(labels, outside.any(axis=1)),
        usual=usual,
    )
    people.visibility[outside] = 0


def _crowds(
    rows: Rows,
    triples: np.ndarray,
    labels: Sequence[Any],
    decisions: Decisions,
    *,
    for_scores: bool,
) -> np.ndarray:
    """Return (N,) bool; where all are crowds, those with joints are people; else these are named.

    Not for scores: COCO's evaluation takes the flags as they are.
    """
    crowds = column(rows, "iscrowd", np.int32, decisions, default=0) > 0
    if for_scores or not crowds.any():
        return crowds
    jointed = crowds & (triples[..., 2] > 0).any(axis=1)
    if not crowds.all():
        if jointed.any():
            decisions.add(
                "iscrowd",
                "{n} crowds ('iscrowd') have joints: they are neither trained on nor scored",
                flagged(labels, jointed),
            )
        return crowds
    if jointed.any():
        decisions.add(
            "iscrowd",
            "all annotations say that they are crowds ('iscrowd'); the {n} with joints are people",
            flagged(labels, jointed),
        )
    else:
        decisions.add(
            "iscrowd",
            f"all {len(rows)} annotations are crowds: there is nobody to train on or to score",
        )
    return crowds & ~jointed


def _outlines(
    rows: Rows, labels: Sequence[Any], sizes: np.ndarray, decisions: Decisions
) -> list[Outline | None]:
    """Return outlines in COCO's own format.

    Raises:
        DataError: one has another format.
    """
    outlines: list[Outline | None] = []
    for n, row in enumerate(rows):
        value = row.get("segmentation")
        if is_plain(value):
            outlines.append(value or None)
            continue
        try:
            width, height = sizes[n].tolist()
            outlines.append(plain_outline(value, (width, height) if width and height else None))
        except ValueError as error:
            raise DataError(
                f"{decisions.path}: 'segmentation' of annotation {labels[n]} cannot be read: "
                f"{error}."
            ) from None
    return outlines


def _as_json(outlines: list[Outline | None]) -> np.ndarray:
    """Return JSON bytes per person, decoded only when a mask is made."""
    column = np.empty(len(outlines), object)
    for n, outline in enumerate(outlines):
        column[n] = json.dumps(outline).encode() if outline is not None else None
    return column


def _worth_keeping(found: Annotations, labels: Sequence[Any], decisions: Decisions) -> np.ndarray:
    """Return (N,) bool: not the copy of another, and with a box, a joint or an outline."""
    labelled = np.asarray((found.triples[..., 2] > 0).any(axis=1))
    empty = ~labelled & ~found.boxes.any(axis=1)
    if empty.any():
        decisions.add(
            "bbox",
            "{n} annotations have neither box nor joints nor outline, and are left out",
            flagged(labels, empty),
        )
    copies = _copies(found, labelled)
    if copies.any():
        decisions.add(
            "annotations",
            "{n} annotations repeat the box and all joints of another, and are left out",
            flagged(labels, copies),
        )
    return ~empty & ~copies


def _copies(found: Annotations, labelled: np.ndarray) -> np.ndarray:
    """Return (N,) bool: an earlier annotation of the image has the same box and joints."""
    copies = np.zeros(len(labelled), bool)
    # One number for image and box; of equal ones the joints are compared.
    mark = found.people.image_index * 1e5 + found.boxes @ np.array([1.0, 0.7, 0.31, 0.017])
    order = np.argsort(mark, kind="stable")
    for place in np.flatnonzero(np.diff(mark[order]) == 0):
        one, other = order[place], order[place + 1]
        same = np.array_equal(found.boxes[one], found.boxes[other])
        if same and labelled[one] and np.array_equal(found.triples[one], found.triples[other]):
            copies[other] = found.people.image_index[one] == found.people.image_index[other]
    return copies
