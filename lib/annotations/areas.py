"""``area`` of annotations: similarity is measured by it, so a wrong one is a wrong score."""

from __future__ import annotations

from typing import Any

import numpy as np

from lib.annotations.boxes import Evidence
from lib.annotations.columns import Rows, flagged, is_number, number_of
from lib.annotations.decisions import Decisions
from lib.annotations.outlines import outline_area
from lib.utils.errors import DataError

BOX_SHARE = 0.53  # of its box that a person covers, where nothing else tells (CrowdPose's rule)
LEAST, SMALLEST_BOX = 1.0, 16.0  # square pixels: such an area in a larger box is none
LEAST_SHARE, LARGEST_SHARE = 0.001, 2.0  # of the box


def read_areas(
    rows: Rows, boxes: np.ndarray, evidence: Evidence, decisions: Decisions
) -> np.ndarray:
    """Return (N,) float64 square pixels.

    An area that is missing, or at most one pixel in a box that is larger, becomes that of the
    outline, else 0.53 of the box. One out of all proportion to its box is only named: COCO's
    evaluation takes it as it is, and it may be the box that is wrong.

    Raises:
        DataError: it is no finite number, or negative.
    """
    values = [row.get("area") for row in rows]
    if not set(map(type, values)) <= {int, float}:
        values = [_plain(value, evidence.labels[n], decisions) for n, value in enumerate(values)]
    areas = np.array([np.nan if value is None else value for value in values], np.float64)
    _check(rows, areas, values, evidence, decisions)
    product = boxes[:, 2:].prod(axis=1)
    missing = np.isnan(areas)
    small = (areas <= LEAST) & (product > SMALLEST_BOX)
    odd = (areas > LARGEST_SHARE * product) & (product > 0)
    odd |= (areas < LEAST_SHARE * product) & ~small & ~missing
    for flags, what in (
        (missing, "missing"),
        (small, "0 or next to nothing"),
    ):
        chosen = np.flatnonzero(flags)
        if not len(chosen):
            continue
        outlined = [
            n
            for n in chosen.tolist()
            if evidence.outlines[n] is not None and evidence.sizes[n].all()
        ]
        areas[chosen] = BOX_SHARE * product[chosen]
        for n in outlined:
            areas[n] = outline_area(evidence.outlines[n], tuple(evidence.sizes[n].tolist()))  # type: ignore[arg-type]
        source = (
            f"their outlines' ({len(outlined)}) or {BOX_SHARE} of their boxes'"
            if outlined
            else f"{BOX_SHARE} of their boxes'"
        )
        decisions.add(
            "area",
            f"{{n}} areas ('area') are {what}: taken is {source}, which scores depend on",
            flagged(evidence.labels, flags),
            usual=bool(what == "missing" and missing.all()),
        )
    if odd.any():
        decisions.add(
            "area",
            "{n} areas ('area') are out of all proportion to their boxes; scores depend on them",
            flagged(evidence.labels, odd),
        )
    return areas


def _plain(value: Any, label: Any, decisions: Decisions) -> float | None:
    number = number_of(value)
    if number is None or is_number(number):
        return number
    raise DataError(
        f"{decisions.path}: 'area' of annotation {label} must be a finite number, got "
        f"{value!r:.40}."
    )


def _check(
    rows: Rows, areas: np.ndarray, values: list[Any], evidence: Evidence, decisions: Decisions
) -> None:
    given = np.array([value is not None for value in values], bool)
    bad = given & (~np.isfinite(areas) | (areas < 0))
    if bad.any():
        n = int(bad.argmax())
        wanted = "at least 0" if areas[n] < 0 else "a finite number"
        raise DataError(
            f"{decisions.path}: 'area' of annotation {evidence.labels[n]} must be {wanted}, got "
            f"{rows[n]['area']}."
        )
