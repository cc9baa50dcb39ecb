"""The page of ``tools/analyse/stress.py``: response curves of one or two models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from lib.evaluation.diagnosis import JOINT_ERRORS
from lib.report.charts import Series, line_chart
from lib.report.page import chips, render_page, section, table, warning
from lib.stress.curves import CALIBRATION, Curve, Estimate, Point
from lib.utils.numbers import number

JOINT = "PCK "
Curves = Mapping[str, Sequence[Curve]]  # by name of the model


def stress_page(curves: Curves, facts: dict[str, str], left_out: Sequence[str] = ()) -> str:
    """Return the page as HTML.

    Args:
        curves: of every model, the same factors in the same order.
        facts: what was measured on.
        left_out: sentences about factors that could not be applied.
    """
    title = "Response curves of " + " and ".join(curves)
    head = f"<header><h1>{escape(title)}</h1>{chips(facts)}</header>"
    note = (
        "One thing changes at a time; the first row of every table is the unchanged picture. "
        "Intervals hold 95 % of the bootstrap over pictures; they are drawn as thin lines."
    )
    parts = [head, section("Where it breaks", _overview(curves), note=note)]
    parts += [warning(text) for text in left_out]
    for place in range(len(next(iter(curves.values())))):
        parts.append(_factor_section({name: own[place] for name, own in curves.items()}))
    return render_page(title, parts)


def _overview(curves: Curves) -> str:
    """Return, by factor, the AP that the hardest level leaves of the unchanged one."""
    rows = []
    for place, first in enumerate(next(iter(curves.values()))):
        worst = [min(own[place].points, key=_ap) for own in curves.values()]
        cells = [f"{_text(point.of_clean)} at {point.level:g}" for point in worst]
        rows.append([escape(first.factor), *cells])
    return table(["least AP of clean", *curves], rows)


def _factor_section(curves: Mapping[str, Curve]) -> str:
    first = next(iter(curves.values()))
    charts = _chart("AP", curves) + _chart(CALIBRATION, curves)
    details = "".join(
        _numbers_table(name, curve) + _joint_table(curve) for name, curve in curves.items()
    )
    return section(
        first.factor,
        f'<div class="charts">{charts}</div>',
        f"<details><summary>numbers and joints</summary>{details}</details>",
        note=f"Levels: {first.unit}.",
    )


def _chart(key: str, curves: Mapping[str, Curve]) -> str:
    """Return the lines of a number; levels in the order of their values."""
    series = []
    for name, curve in curves.items():
        points = _in_order(curve)
        levels = [point.level for point in points]
        found = [point.numbers[key] for point in points]
        series.append(Series(name, levels, [one.value for one in found]))
        series.append(Series(f"{name}, low", levels, [one.low for one in found], bound=True))
        series.append(Series(f"{name}, high", levels, [one.high for one in found], bound=True))
    return line_chart(key, series, x_label=next(iter(curves.values())).unit, y_range=(0, 1))


def _in_order(curve: Curve) -> list[Point]:
    """Return points by level; a first level that stands for "as it is" (size) is not drawn."""
    ordered = sorted(curve.points, key=lambda point: point.level)
    far = len(ordered) > 2 and ordered[-1].level > 10 * ordered[-2].level
    return ordered[:-1] if far else ordered


def _numbers_table(name: str, curve: Curve) -> str:
    keys = ("AP", *JOINT_ERRORS, CALIBRATION)
    rows = [
        [f"{p.level:g}", str(p.people), _text(p.of_clean), *(_text(p.numbers[k]) for k in keys)]
        for p in curve.points
    ]
    heads = ("level", "people", "AP of clean", *keys)
    return f"<h3>{escape(name)}</h3>" + table(heads, rows)


def _joint_table(curve: Curve) -> str:
    names = [key for key in curve.points[0].numbers if key.startswith(JOINT)]
    rows = [
        [escape(name[len(JOINT) :].replace("_", " "))]
        + [_text(point.numbers[name]) for point in curve.points]
        for name in names
    ]
    heads = ["near the truth", *(f"{point.level:g}" for point in curve.points)]
    return table(heads, rows)


def _text(estimate: Estimate) -> str:
    value, low, high = (number(v) for v in (estimate.value, estimate.low, estimate.high))
    return f'{value} <span class="soft">{low} to {high}</span>'


def _ap(point: Point) -> float:
    value = point.numbers["AP"].value
    return value if value == value else float("inf")
