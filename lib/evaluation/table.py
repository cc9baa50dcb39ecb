"""Annotated and found poses of a split as columns: what everything in this package computes on.

Letters: I images, C categories, G annotated and D found people, K joints. Annotated and found
people of the same image and category share a *cell*, number ``category * I + image``; only people
of one cell can be matched. Both columns are sorted by cell: annotated people keep the order of the
file, found ones stand best score first (of equal scores in the order of the file).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from lib.annotations.form import Annotations
from lib.evaluation.coco_files import (
    GroundTruth,
    Rows,
    check_numbers,
    check_results,
    match_results,
    read_results,
    read_truth,
)
from lib.utils.errors import DataError

MAX_PEOPLE = 20  # found people of a cell that count
FOUND = ("found", "joint_scores", "scores", "found_areas")
TRUTH = ("truth", "visible", "areas", "boxes", "crowd", "ignored")


@dataclass(frozen=True, kw_only=True)
class PoseColumns:
    """What is known of annotated and of found people.

    Attributes:
        truth: (G, K, 2) ``(x, y)`` in pixels.
        visible: (G, K) bool, labelled joints.
        areas: (G,) square pixels.
        boxes: (G, 4) ``x, y, width, height``.
        crowd: (G,) bool, regions of many people.
        ignored: (G,) bool, crowd regions and people without a labelled joint.
        found: (D, K, 2) ``(x, y)`` in pixels, best score first, at most 20 of a cell.
        joint_scores: (D, K).
        scores: (D,).
        found_areas: (D,) square pixels of the found boxes.
    """

    truth: np.ndarray
    visible: np.ndarray
    areas: np.ndarray
    boxes: np.ndarray
    crowd: np.ndarray
    ignored: np.ndarray
    found: np.ndarray
    joint_scores: np.ndarray
    scores: np.ndarray
    found_areas: np.ndarray


@dataclass(frozen=True, kw_only=True)
class ImagePoses(PoseColumns):
    """Annotated and found people of one cell.

    Attributes:
        image_id: id of the image.
        category: position of the category.
    """

    image_id: Any
    category: int = 0


@dataclass(frozen=True, kw_only=True)
class PoseTable(PoseColumns):
    """All poses of a split, one cell after the other.

    Attributes:
        image_ids: I ids, ascending.
        category_ids: C ids, ascending.
        truth_cell: (G,) ascending.
        truth_rows: (G,) numbers of the annotations that the annotated people come from.
        found_cell: (D,) ascending; at most 20 people of a cell.
        found_rows: (D,) numbers of the result rows that the found people come from.
    """

    image_ids: list[Any]
    category_ids: list[Any]
    truth_cell: np.ndarray
    truth_rows: np.ndarray
    found_cell: np.ndarray
    found_rows: np.ndarray

    @property
    def cells(self) -> int:
        """How many cells there are, empty ones too."""
        return len(self.image_ids) * len(self.category_ids)

    def images(self) -> Iterator[ImagePoses]:
        """Yield the cells of the first category, all images; of the others those with people."""
        places = np.arange(self.cells + 1)
        truth = np.searchsorted(self.truth_cell, places)
        found = np.searchsorted(self.found_cell, places)
        occupied = (np.diff(truth) + np.diff(found)) > 0
        occupied[: len(self.image_ids)] = True
        columns = {name: (getattr(self, name), truth) for name in TRUTH}
        columns |= {name: (getattr(self, name), found) for name in FOUND}
        for cell in np.flatnonzero(occupied).tolist():
            category, image = divmod(cell, len(self.image_ids))
            yield ImagePoses(
                image_id=self.image_ids[image],
                category=category,
                **{n: column[at[cell] : at[cell + 1]] for n, (column, at) in columns.items()},
            )

    def select_truth(self, keep: np.ndarray) -> PoseTable:
        """Return the table with the annotated people of a mask."""
        names = (*TRUTH, "truth_cell", "truth_rows")
        return replace(self, **{name: getattr(self, name)[keep] for name in names})

    def select_found(self, keep: np.ndarray) -> PoseTable:
        """Return the table with the found people of a mask, or of places in a new order."""
        names = (*FOUND, "found_cell", "found_rows")
        return replace(self, **{name: getattr(self, name)[keep] for name in names})

    def select_images(self, image_ids: Sequence[Any]) -> PoseTable:
        """Return the table with the people of these images only; the images stay listed."""
        wanted = set(image_ids)
        chosen = np.array([i in wanted for i in self.image_ids], bool)
        truth, found = (cells % len(chosen) for cells in (self.truth_cell, self.found_cell))
        return self.select_truth(chosen[truth]).select_found(chosen[found])


def read_table(
    gt_json: GroundTruth,
    results_json_or_list: str | Path | Rows,
    sigmas: Sequence[float] | None = None,
) -> tuple[PoseTable, np.ndarray]:
    """Return the poses of an annotation file and a result file, checked, and the K sigmas.

    Args:
        gt_json: COCO annotation file, its content, or what was read of it.
        results_json_or_list: results file, or its rows.
        sigmas: K spreads; by default those of the annotated joints' data set.

    Raises:
        DataError: a file is missing, damaged, or does not fit the other one.
    """
    truth = read_truth(gt_json, sigmas)
    spreads = truth.skeleton.sigmas if sigmas is None else sigmas
    rows = match_results(read_results(results_json_or_list), truth)
    return pose_table(truth, rows), np.asarray(spreads, np.float64)


def pose_table(truth: Annotations, rows: Rows, most: int | None = MAX_PEOPLE) -> PoseTable:
    """Return the columns of annotated people and of result rows.

    Args:
        truth: annotated people.
        rows: result rows (``match_results``).
        most: found people of a cell that are kept, the best; None keeps all.

    Raises:
        DataError: a row is damaged, or of an image that the data set does not have.
    """
    images, joints = truth.images, truth.skeleton.num_joints
    ascending = np.argsort(images.ids, kind="stable")
    image_ids = [images.label(n) for n in ascending.tolist()]
    category_ids = sorted(truth.category_ids)
    kinds = np.array([category_ids.index(own) for own in truth.category_ids])
    truth_cell = kinds[truth.category_index] * len(image_ids)
    truth_cell += np.argsort(ascending)[truth.people.image_index]
    order = sort_cells(truth_cell)
    points, crowd = truth.triples[order], truth.is_crowd[order]
    found_cell, scores, numbers = result_columns(
        rows, image_ids, category_ids, "keypoints", 3 * joints
    )
    poses = numbers.reshape(-1, joints, 3)
    best = sort_cells(found_cell, scores, most)
    return PoseTable(
        image_ids=image_ids,
        category_ids=category_ids,
        truth=np.ascontiguousarray(points[..., :2]),
        visible=points[..., 2] > 0,
        areas=truth.areas[order],
        boxes=truth.boxes[order],
        crowd=crowd,
        ignored=crowd | (truth.num_keypoints[order] == 0),
        truth_cell=truth_cell[order],
        truth_rows=order,
        found=np.ascontiguousarray(poses[best, :, :2]),
        joint_scores=poses[best, :, 2],
        scores=scores[best],
        found_areas=_found_areas(rows, poses)[best],
        found_cell=found_cell[best],
        found_rows=best,
    )


def result_columns(
    rows: Rows, image_ids: list[Any], category_ids: list[Any], key: str, length: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return cells (N,), scores (N,) and the numbers of ``key`` (N, length) of result rows.

    The rows are checked as columns, since asking each of 100,000 alone would take longer than
    scoring them; only if something is wrong are they asked, so that the message names one.

    Raises:
        DataError: a row lacks a key, holds something else, or is of an unknown image.
    """
    names = ("image_id", "category_id", "score", key)
    try:
        images, categories, scores, numbers = ([row[name] for row in rows] for name in names)
        place = find_places(images, image_ids)
    except (KeyError, TypeError):  # a missing key, an id that is a list
        place, categories, scores, numbers = np.full(1, -1), [], [], []
    score_column = finite(scores, (len(rows),))
    if (place < 0).any() or score_column is None:
        check_results(rows, set(image_ids))
    values = finite(numbers, (len(rows), length))
    if values is None:
        check_numbers(rows, key, length)
    if values is None or score_column is None:
        raise DataError(f"'{key}' and 'score' of the results must be finite numbers.")
    kind = find_places(categories, category_ids)
    cells = np.where((place < 0) | (kind < 0), -1, kind * len(image_ids) + place)
    return cells, score_column, values


def find_places(column: Sequence[Any], ids: Sequence[Any]) -> np.ndarray:
    """Return (N,) the place of every entry of ``column`` among ``ids``, -1 where it is not."""
    place = {number: n for n, number in enumerate(ids)}
    return np.fromiter(map(place.get, column, repeat(-1)), np.int64, len(column))


def find_cells(
    images: Sequence[Any],
    categories: Sequence[Any],
    image_ids: Sequence[Any],
    category_ids: Sequence[Any],
) -> np.ndarray:
    """Return (N,) the cells of image and category ids, -1 for one that is not listed."""
    image, category = find_places(images, image_ids), find_places(categories, category_ids)
    return np.where((image < 0) | (category < 0), -1, category * len(image_ids) + image)


def sort_cells(
    cells: np.ndarray, scores: np.ndarray | None = None, most: int | None = None
) -> np.ndarray:
    """Return row numbers by cell, best score first, at most ``most`` of a cell; -1 is left out."""
    order = np.lexsort((np.zeros(len(cells)) if scores is None else -scores, cells))
    order = order[cells[order] >= 0]
    return order if most is None else order[ranks(cells[order]) < most]


def ranks(cells: np.ndarray) -> np.ndarray:
    """Return (N,) the place of every row within its cell, for ascending cells."""
    places = np.arange(len(cells))
    first = np.concatenate([[True], cells[1:] != cells[:-1]])[: len(cells)]
    return places - np.maximum.accumulate(np.where(first, places, 0))


def matrix(rows: Rows, key: str, length: int) -> np.ndarray:
    """Return (N, length) float64 numbers of ``key``.

    Raises:
        DataError: the key is missing or holds something else; the message names the row.
    """
    values = finite([row.get(key) for row in rows], (len(rows), length))
    if values is None:
        check_numbers(rows, key, length)
        raise DataError(f"'{key}' of the results must be lists of {length} finite numbers.")
    return values


def finite(values: list[Any], shape: tuple[int, ...]) -> np.ndarray | None:
    """Return a float64 array of ``shape``, or None if anything in it is no finite number."""
    if not values:
        return np.zeros(shape) if shape[0] == 0 else None
    numbers = _flat(values, shape[1]) if len(shape) == 2 else None
    try:
        numbers = np.array(values) if numbers is None else numbers.reshape(shape)
    except ValueError:  # lists of different lengths
        return None
    if numbers.dtype.kind not in "iuf" or numbers.shape != shape:
        return None
    numbers = numbers.astype(np.float64, copy=False)
    return numbers if np.isfinite(numbers).all() else None


def _flat(rows: list[Any], length: int) -> np.ndarray | None:
    """Return the numbers of lists one after the other; None if they are anything else.

    Half as long as NumPy takes, which looks through all the lists before it reads them.
    """
    flat = array("d")
    try:
        for row in rows:
            flat.fromlist(row)
    except (TypeError, OverflowError):
        return None
    same = all(len(row) == length for row in rows)
    return np.frombuffer(flat) if same and len(flat) else None


def _found_areas(rows: Rows, poses: np.ndarray) -> np.ndarray:
    """Return (N,) areas of the rows' boxes, or of their joints' extents where they have none."""
    if rows and rows[0].get("bbox"):  # pycocotools, too, asks the first row only
        return matrix(rows, "bbox", 4)[:, 2:].prod(axis=1)
    # Joints first: NumPy reduces a long last axis ten times as fast as a short middle one.
    x, y = (np.ascontiguousarray(poses[..., axis].T) for axis in (0, 1))
    return (x.max(axis=0) - x.min(axis=0)) * (y.max(axis=0) - y.min(axis=0))
