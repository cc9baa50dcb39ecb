"""Two runs side by side: scores, errors, joints, and the people they differ on most."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from lib.evaluation.bootstrap import Difference
from lib.evaluation.breakdown import all_matches, joint_table
from lib.evaluation.curves import precision_curves
from lib.evaluation.diagnosis import ImageErrors
from lib.evaluation.matching import THRESHOLDS
from lib.report.cases import Case, View, case_points, paint_found, paint_truth
from lib.report.charts import Series, line_chart
from lib.report.page import picture, section, table, warning
from lib.report.run import PoseAnalysis, Run
from lib.report.sections import COST_NAMES, conditions
from lib.structures.drawing import join_panels
from lib.utils.errors import DataError
from lib.utils.numbers import number

Pair = tuple[PoseAnalysis, PoseAnalysis]


def verdict(difference: Difference, resamples: int) -> str:
    """Return the outcome of the bootstrap as a sentence."""
    sure = "a real difference" if difference.low * difference.high > 0 else "may be luck"
    return (
        f"AP of B minus A is {difference.ap:+.4f}, 95 % interval {difference.low:+.4f} to "
        f"{difference.high:+.4f} ({sure}); B is better in {100 * difference.better:.1f} % of "
        f"{resamples} resamples of the images."
    )


def score_rows(first: Run, second: Run) -> list[list[str]]:
    """Return metric, A, B and B - A as text, for the metrics both runs have."""
    rows = []
    for name, value in first.metrics.items():
        other = second.metrics.get(name)
        change = None if value is None or other is None else other - value
        rows.append([name, number(value, 4), number(other, 4), number(change, 4, sign=True)])
    return rows


def unlike_conditions(first: Run, second: Run) -> list[str]:
    """Return sentences on what makes the comparison unfair."""
    mine, theirs = conditions(first), conditions(second)
    names = [n for n in ("data", "boxes", "flip test") if mine.get(n) != theirs.get(n)]
    return [f"{n}: A has '{mine.get(n, '')}', B has '{theirs.get(n, '')}'" for n in names]


def comparison_score_section(
    first: Run, second: Run, difference: Difference, resamples: int
) -> str:
    """Return scores of both runs and whether they really differ."""
    rows = [[escape(name), *cells] for name, *cells in score_rows(first, second)]
    return section(
        "Scores",
        *[
            warning(f"Not the same conditions: {text}.")
            for text in unlike_conditions(first, second)
        ],
        f"<p><b>{escape(verdict(difference, resamples))}</b></p>",
        table(("", "A", "B", "B - A"), rows),
    )


def comparison_error_section(pair: Pair) -> str:
    """Return what each kind of error costs both runs, and AP over the threshold."""
    costs = [analysis.diagnosis.costs for analysis in pair]
    rows = [
        [escape(COST_NAMES[name][0]), number(a), number(b), number(b - a, sign=True)]
        for name, a, b in ((name, costs[0][name], costs[1][name]) for name in costs[0])
    ]
    series = []
    for name, analysis in zip("AB", pair, strict=True):
        precision, _ = precision_curves(all_matches(analysis.diagnosis))
        series.append(Series(name, THRESHOLDS.tolist(), precision.mean(axis=1).tolist()))
    chart = line_chart(
        "AP over the similarity a match needs", series, x_label="OKS threshold", y_range=(0, 1)
    )
    return section(
        "What each kind of error costs, in AP",
        f'<div class="charts">{table(("", "A", "B", "B - A"), rows)}{chart}</div>',
    )


def comparison_joint_section(pair: Pair) -> str:
    """Return AP and PCK of every joint in both runs."""
    tables = [joint_table(analysis.diagnosis, analysis.skeleton) for analysis in pair]
    rows = [
        [
            escape(a["joint"].replace("_", " ")),
            number(a["AP"]),
            number(b["AP"]),
            number(b["AP"] - a["AP"], sign=True),
            number(100 * a["PCK"], 1),
            number(100 * b["PCK"], 1),
        ]
        for a, b in zip(*tables, strict=True)
    ]
    heads = ("joint", "AP of A", "AP of B", "B - A", "PCK % of A", "PCK % of B")
    return section("By joint", table(heads, rows))


def comparison_case_section(pair: Pair, count: int) -> str:
    """Return pictures of the people on whom the runs differ most."""
    gains = sorted(_changes(pair), key=lambda item: item[0])
    parts = []
    for title, chosen in {
        "B is better": gains[::-1][:count],
        "A is better": gains[:count],
    }.items():
        pictures = [paint for change in chosen if (paint := _paint(pair, *change))]
        if pictures:
            parts.append(f'<h3>{title}</h3><div class="cases">{"".join(pictures)}</div>')
    if not parts:
        return ""
    return section("Where they differ most", *parts, note="Ground truth, A, B.")


def _changes(pair: Pair) -> list[tuple[float, int, int]]:
    """Return (change of similarity, image, annotated person) where it is not zero."""
    changes = []
    images = zip(pair[0].diagnosis.images, pair[1].diagnosis.images, strict=True)
    for number_of_image, both in enumerate(images):
        first, second = (_person_overlaps(errors) for errors in both)
        for person in np.nonzero(first != second)[0].tolist():
            changes.append((float(second[person] - first[person]), number_of_image, person))
    return changes


def _person_overlaps(errors: ImageErrors) -> np.ndarray:
    """Return (G,) similarity of the pose found for every annotated person, 0 for none."""
    overlaps = np.zeros(len(errors.missed))
    found = np.nonzero(errors.truth_index >= 0)[0]
    overlaps[errors.truth_index[found]] = errors.overlaps[found, errors.truth_index[found]]
    return overlaps


def _paint(pair: Pair, change: float, image: int, person: int) -> str:
    cases = [_case_of(analysis, image, person) for analysis in pair]
    image_id = cases[0].errors.image.image_id
    try:
        pixels = pair[0].pixels(image_id)
    except DataError:
        return ""
    view = View(pixels, np.concatenate([case_points(case) for case in cases]))
    panels = [
        paint_truth(view, pair[0], cases[0]),
        *(paint_found(view, a, case) for a, case in zip(pair, cases, strict=True)),
    ]
    before, after = (max(case.value, 0.0) for case in cases)
    caption = f"image {image_id} · OKS {before:.2f} and {after:.2f}"
    return picture(join_panels(panels, ["truth", "A", "B"]), caption)


def _case_of(analysis: PoseAnalysis, image: int, person: int) -> Case:
    errors = analysis.diagnosis.images[image]
    owners: Sequence[int] = np.nonzero(errors.truth_index == person)[0].tolist()
    found = owners[0] if owners else -1
    return Case(errors, person, found, float(_person_overlaps(errors)[person]))
