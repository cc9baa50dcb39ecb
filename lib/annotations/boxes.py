"""``bbox`` of annotations -> (N, 4) ``x, y, width, height``; missing ones are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.annotations.columns import Rows, array_of, is_number, number_of
from lib.annotations.decisions import Decisions
from lib.annotations.outlines import Outline, outline_box
from lib.utils.errors import DataError

SLACK = 2.0  # pixels that a joint may lie outside its box, a box outside its image
FEW = 4  # boxes that joints alone do not prove to be corners
TELLING = 0.5  # of the area as x, y, width, height: larger ones prove nothing by their joints
SAME_AREA = 0.02  # relative difference
_SIDES = (
    ("x", "y", "width", "height"),
    ("x", "y", "w", "h"),
    ("left", "top", "width", "height"),
    ("xmin", "ymin", "width", "height"),
)
_CORNERS = (
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("left", "top", "right", "bottom"),
    ("xtl", "ytl", "xbr", "ybr"),
)


@dataclass(frozen=True)
class Evidence:
    """What tells how boxes are meant; N annotations, sizes 0 where an image's is not known.

    Attributes:
        triples: (N, K, 3) ``x, y, visibility``.
        sizes: (N, 2) ``(width, height)`` of the images.
        outlines: N outlines, None where there is none.
        labels: N ids, for messages.
    """

    triples: np.ndarray
    sizes: np.ndarray
    outlines: Sequence[Outline | None]
    labels: Sequence[Any]


def read_boxes(rows: Rows, evidence: Evidence, decisions: Decisions) -> np.ndarray:
    """Return (N, 4) float64 boxes.

    A missing box is the one around the outline, else the one around the labelled joints; without
    either it stays empty. Corners ``x1, y1, x2, y2`` are taken for such where nothing else fits.

    Raises:
        DataError: not four finite numbers, a negative side, or boxes that may be corners.
    """
    boxes = plain_boxes(rows, evidence.labels, decisions)
    missing = np.asarray(~boxes.any(axis=1))
    if not missing.all() and are_corners(rows, boxes, evidence, ~missing, decisions):
        boxes[:, 2:] = np.where(missing[:, None], 0, boxes[:, 2:] - boxes[:, :2])
        decisions.add(
            "bbox", f"the {(~missing).sum()} boxes are corners x1, y1, x2, y2, and read as such"
        )
    bad = (boxes[:, 2:] < 0).any(axis=1)
    if bad.any():
        n = int(bad.argmax())
        raise DataError(
            f"{decisions.path}: 'bbox' {rows[n]['bbox']} of annotation {evidence.labels[n]} must "
            "be finite x, y, width, height, with width and height of at least 0."
        )
    if missing.any():
        _find_missing(boxes, np.flatnonzero(missing), evidence, decisions)
    return boxes


def plain_boxes(
    rows: Rows, labels: Sequence[Any], decisions: Decisions, kind: str = "annotation"
) -> np.ndarray:
    """Return (N, 4) float64 numbers of ``bbox``, 0 where there is none.

    Raises:
        DataError: not four finite numbers.
    """
    none = [0, 0, 0, 0]
    values = [row.get("bbox") or none for row in rows]
    if any(isinstance(value, dict) for value in values):
        values = _without_names(values, labels, decisions)
    table = array_of(values, 4)
    if table is None:
        texts = []
        table = np.zeros((len(rows), 4))
        for n, value in enumerate(values):
            numbers = [number_of(v) for v in value] if isinstance(value, list | tuple) else []
            if len(numbers) != 4 or not all(isinstance(v, int | float) for v in numbers):
                raise DataError(
                    f"{decisions.path}: 'bbox' of {kind} {labels[n]} must be four numbers x, y, "
                    "width, "
                    f"height, got {value!r:.80}."
                )
            if any(isinstance(v, str) for v in value):
                texts.append(labels[n])
            table[n] = [v if is_number(v) else np.nan for v in numbers]
        if texts:
            decisions.add("bbox", "{n} boxes are texts, and read as numbers", texts)
    bad = ~np.isfinite(table).all(axis=1)
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"{decisions.path}: 'bbox' {values[row]} of {kind} {labels[row]} must be finite "
            "numbers."
        )
    return table


def _without_names(values: list[Any], labels: Sequence[Any], decisions: Decisions) -> list[Any]:
    """Return boxes whose sides have names as ``x, y, width, height``; others as they are."""
    plain = [_unnamed(value) if isinstance(value, dict) else value for value in values]
    named = [
        labels[n] for n, (old, new) in enumerate(zip(values, plain, strict=True)) if old is not new
    ]
    if named:
        decisions.add("bbox", "{n} boxes name their sides, and are read by the names", named)
    return plain


def _unnamed(box: dict[str, Any]) -> Any:
    """Return ``x, y, width, height`` of a box in any of the namings that tools write."""
    keys = {str(key).casefold(): value for key, value in box.items()}
    for names in _SIDES:
        if keys.keys() >= set(names):
            return [keys[name] for name in names]
    for names in _CORNERS:
        numbers = [number_of(keys.get(name)) for name in names]
        if all(is_number(number) for number in numbers):
            left, top, right, bottom = numbers
            return [left, top, right - left, bottom - top]
    return box


def are_corners(
    rows: Rows, boxes: np.ndarray, evidence: Evidence, given: np.ndarray, decisions: Decisions
) -> bool:
    """Return whether boxes (N, 4) are ``x1, y1, x2, y2``, by everything that can tell.

    All must be possible corners that hold their joints. Then areas that are those of corners prove
    it, boxes that would leave their image as ``x, y, width, height``, or joints of many people.

    Raises:
        DataError: they would leave their images, but nothing proves that they are corners.
    """
    sides = boxes[given, 2:] - boxes[given, :2]
    if (sides <= 0).any() or np.allclose(sides, boxes[given, 2:], atol=SLACK):
        return False
    sizes = evidence.sizes[given]
    known = np.asarray((sizes > 0).all(axis=1))
    limits = np.where(known[:, None], sizes, np.inf)
    if (boxes[given, 2:] > limits + SLACK).any():
        return False
    labelled = evidence.triples[given, :, 2] > 0
    points = evidence.triples[given, :, :2]
    outside = (points > boxes[given, None, 2:] + SLACK) | (points < boxes[given, None, :2] - SLACK)
    if (outside.any(axis=2) & labelled).any():
        return False
    leaves = np.asarray((boxes[given, :2] + boxes[given, 2:] > limits + SLACK).any(axis=1))
    jointed = labelled.sum(axis=1) >= 3
    # Near the image's corner the two readings hardly differ: joints fit both.
    telling = jointed & (sides.prod(axis=1) < TELLING * boxes[given, 2:].prod(axis=1))
    areas = _areas_of_corners(
        [rows[n].get("area") for n in np.flatnonzero(given)], boxes[given], sides
    )
    if areas or (jointed.any() and (leaves.any() or telling.sum() >= FEW)):
        return not _areas_of_sides(rows, boxes, given)
    if leaves.mean() > 0.5:
        raise DataError(
            f"{decisions.path}: most boxes leave their images as x, y, width, height, so they may "
            "be corners "
            "x1, y1, x2, y2, and nothing says which; write 'bbox' as x, y, width, height."
        )
    return False


def _areas_of_corners(values: list[Any], boxes: np.ndarray, sides: np.ndarray) -> bool:
    """Return whether annotated areas are those of corners, and of corners only."""
    if not all(is_number(value) for value in values):
        return False
    areas, product = np.array(values, np.float64), sides.prod(axis=1)
    other = boxes[:, 2:].prod(axis=1)
    return bool(
        (np.abs(areas - product) <= SAME_AREA * product).all()
        and (np.abs(areas - other) > SAME_AREA * other).any()
    )


def _areas_of_sides(rows: Rows, boxes: np.ndarray, given: np.ndarray) -> bool:
    """Return whether annotated areas are products of third and fourth numbers: no corners, then."""
    values = [rows[n].get("area") for n in np.flatnonzero(given)]
    if not all(is_number(value) for value in values):
        return False
    product = boxes[given, 2:].prod(axis=1)
    return bool((np.abs(np.array(values, np.float64) - product) <= SAME_AREA * product).all())


def _find_missing(
    boxes: np.ndarray, missing: np.ndarray, evidence: Evidence, decisions: Decisions
) -> None:
    """Fill the ``missing`` rows of ``boxes`` from outlines or joints."""
    found: dict[str, list[Any]] = {"outlines": [], "labelled joints": []}
    for n in missing.tolist():
        outline, size = evidence.outlines[n], evidence.sizes[n]
        points = evidence.triples[n][evidence.triples[n, :, 2] > 0, :2]
        if outline is not None and (not isinstance(outline, dict) or size.all()):
            boxes[n] = outline_box(outline, (int(size[0]), int(size[1])))
            found["outlines"].append(evidence.labels[n])
        elif len(points) and (np.ptp(points, axis=0) > 0).all():
            boxes[n] = [*points.min(axis=0), *np.ptp(points, axis=0)]
            found["labelled joints"].append(evidence.labels[n])
    for what, labels in found.items():
        if labels:
            decisions.add(
                "bbox", f"{{n}} annotations have no box: it is the one around their {what}", labels
            )
