"""Outlines of people (COCO's ``segmentation``) in all the formats in which tools write them.

COCO has lists of polygons ``[[x, y, x, y, ...], ...]`` and run lengths ``{"counts", "size"}``.
Tools also write one polygon flat, a list nested once more, polygons as pairs ``[[x, y], ...]``, and
nothing as ``[]``, ``[[]]`` or null: each has one meaning. Polygons of fewer than three corners,
which COCO has, too, enclose nothing and are left out.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lib.annotations.columns import is_number

SHORTEST_POLYGON = 6  # numbers: three corners
DEEPEST = 4  # lists in lists
Outline = list[list[float]] | dict[str, Any]


def plain_outline(value: Any, size: tuple[int, int] | None) -> Outline | None:
    """Return an outline in COCO's own format, None where there is none.

    Args:
        value: the entry's ``segmentation``.
        size: ``(width, height)`` of the image, None where it is not known.

    Raises:
        ValueError: it is none of the known formats; the message says what is wrong.
    """
    if value is None:
        return None
    if isinstance(value, dict):
        return _runs(value, size)
    if not isinstance(value, list):
        raise ValueError(f"it is neither polygons nor run lengths: {value!r:.60}")
    return [
        polygon for polygon in _polygons(value, DEEPEST) if len(polygon) >= SHORTEST_POLYGON
    ] or None


def is_plain(value: Any) -> bool:
    """Return whether ``value`` surely is a list of polygons, by a look at its ends (fast)."""
    if type(value) is not list or not value:
        return value is None or value == []
    return all(
        type(polygon) is list
        and len(polygon) >= SHORTEST_POLYGON
        and len(polygon) % 2 == 0
        and type(polygon[0]) in (int, float)
        and type(polygon[-1]) in (int, float)
        for polygon in value
    )


def outline_area(outline: Outline, size: tuple[int, int]) -> float:
    """Return the square pixels inside an outline."""
    from pycocotools import mask as coco_mask  # here: only outlines need it

    return float(coco_mask.area(encode_outline(outline, size)))


def outline_box(outline: Outline, size: tuple[int, int]) -> list[float]:
    """Return ``x, y, width, height`` around an outline."""
    if isinstance(outline, dict):
        from pycocotools import mask as coco_mask

        return coco_mask.toBbox(encode_outline(outline, size)).tolist()
    points = np.concatenate([np.reshape(polygon, (-1, 2)) for polygon in outline])
    low, high = points.min(axis=0), points.max(axis=0)
    return [*low.tolist(), *(high - low).tolist()]


def encode_outline(outline: Outline, size: tuple[int, int]) -> Any:
    """Return an outline as pycocotools' compressed run lengths."""
    from pycocotools import mask as coco_mask

    width, height = size
    shape: Any = outline  # the package's stubs know some formats only
    if isinstance(outline, dict):
        if isinstance(outline["counts"], list):
            return coco_mask.frPyObjects(shape, height, width)
        return outline
    return coco_mask.merge(coco_mask.frPyObjects(shape, height, width))


def _runs(value: dict[str, Any], size: tuple[int, int] | None) -> Outline | None:
    counts, shape = value.get("counts"), value.get("size")
    if (
        not isinstance(shape, list)
        or len(shape) != 2
        or not all(type(n) is int and n > 0 for n in shape)
    ):
        raise ValueError(f"run lengths need 'size' [height, width], got {shape!r:.40}")
    if size is not None and shape != [size[1], size[0]]:
        raise ValueError(
            f"its run lengths are of {shape[1]}x{shape[0]} pixels, the image has "
            f"{size[0]}x{size[1]}"
        )
    if isinstance(counts, str):
        return {"counts": counts, "size": shape} if _decodes(counts, shape) else _bad_runs(counts)
    if not isinstance(counts, list) or not all(type(n) is int and n >= 0 for n in counts):
        return _bad_runs(counts)
    if sum(counts) != shape[0] * shape[1]:
        raise ValueError(
            f"its run lengths add up to {sum(counts)} pixels, not {shape[0] * shape[1]}"
        )
    return {"counts": counts, "size": shape}


def _decodes(counts: str, shape: list[int]) -> bool:
    """Return whether compressed run lengths cover their size; pycocotools would not look."""
    runs, value, shift = [], 0, 0
    for letter in counts.encode():
        code = letter - 48
        if not 0 <= code < 64:
            return False
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, shift = 0, 0
    return shift == 0 and min(runs, default=0) >= 0 and sum(runs) == shape[0] * shape[1]


def _bad_runs(counts: Any) -> None:
    raise ValueError(f"'counts' are no run lengths: {counts!r:.60}")


def _polygons(value: list[Any], depth: int) -> list[list[float]]:
    """Return the polygons of lists in lists, each flat."""
    if not value:
        return []
    if not any(isinstance(part, list) for part in value):
        return [_polygon(value)]
    if depth == 0 or not all(isinstance(part, list) for part in value):
        raise ValueError(f"it mixes numbers and lists: {value!r:.60}")
    if all(len(part) == 2 and not isinstance(part[0], list) for part in value):
        return [_polygon([number for part in value for number in part])]
    return [polygon for part in value for polygon in _polygons(part, depth - 1)]


def _polygon(value: list[Any]) -> list[float]:
    if len(value) % 2 or not all(
        is_number(n) and math.isfinite(n) and not isinstance(n, bool) for n in value
    ):
        raise ValueError(f"a polygon must be pairs of finite numbers, got {value!r:.60}")
    return value
