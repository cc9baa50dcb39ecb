"""Runs side by side: scores, errors, joints, and the people they differ on most."""

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


def letter(place: int) -> str:
    """Return what a run is called: A to Z, then A2, B2 ..."""
    again, place = divmod(place, 26)
    return chr(ord("A") + place) + (f"{again + 1}" if again else "")


def letters(count: int) -> list[str]:
    """Return the names of so many runs."""
    return [letter(place) for place in range(count)]


def verdict(difference: Difference, resamples: int, name: str = "B") -> str:
    """Return the outcome of the bootstrap of run A and another as a sentence."""
    sure = "a real difference" if difference.low * difference.high > 0 else "may be luck"
    return (
        f"AP of {name} minus A is {difference.ap:+.4f}, 95 % interval {difference.low:+.4f} to "
        f"{difference.high:+.4f} ({sure}); {name} is better in {100 * difference.better:.1f} % of "
        f"{resamples} resamples of the images."
    )


def score_heads(count: int) -> list[str]:
    """Return the heads of a table of numbers: one a run, then the difference of each from A."""
    names = letters(count)
    return ["", *names, *(f"{name} - A" for name in names[1:])]


def score_rows(runs: Sequence[Run]) -> list[list[str]]:
    """Return metric, its value in every run, and differences from A, for the metrics of A."""
    rows = []
    for name in runs[0].metrics:
        values = [run.metrics.get(name) for run in runs]
        rows.append([name, *_with_differences(values, 4)])
    return rows


def unlike_conditions(runs: Sequence[Run]) -> list[str]:
    """Return sentences on what makes the comparison unfair."""
    known = [conditions(run) for run in runs]
    names = [n for n in ("data", "boxes", "flip test") if len({one.get(n) for one in known}) > 1]
    return [
        f"{n}: "
        + ", ".join(
            f"{name} has '{one.get(n, '')}'"
            for name, one in zip(letters(len(known)), known, strict=True)
        )
        for n in names
    ]


def comparison_score_section(
    runs: Sequence[Run], differences: Sequence[Difference], resamples: int
) -> str:
    """Return the scores of all runs, and whether the others really differ from the first."""
    rows = [[escape(name), *cells] for name, *cells in score_rows(runs)]
    sentences = [
        verdict(difference, resamples, letter(place))
        for place, difference in enumerate(differences, start=1)
    ]
    return section(
        "Scores",
        *[warning(f"Not the same conditions: {text}.") for text in unlike_conditions(runs)],
        *[f"<p><b>{escape(sentence)}</b></p>" for sentence in sentences],
        table(score_heads(len(runs)), rows),
    )


def comparison_error_section(analyses: Sequence[PoseAnalysis]) -> str:
    """Return what each kind of error costs all runs, and AP over the threshold."""
    costs = [analysis.diagnosis.costs for analysis in analyses]
    rows = [
        [escape(COST_NAMES[name][0]), *_with_differences([one[name] for one in costs])]
        for name in costs[0]
    ]
    series = []
    for name, analysis in zip(letters(len(analyses)), analyses, strict=True):
        precision, _ = precision_curves(all_matches(analysis.diagnosis))
        series.append(Series(name, THRESHOLDS.tolist(), precision.mean(axis=1).tolist()))
    chart = line_chart(
        "AP over the similarity a match needs", series, x_label="OKS threshold", y_range=(0, 1)
    )
    return section(
        "What each kind of error costs, in AP",
        f'<div class="charts">{table(score_heads(len(analyses)), rows)}{chart}</div>',
    )


def comparison_joint_section(analyses: Sequence[PoseAnalysis]) -> str:
    """Return AP and PCK of every joint in all runs."""
    tables = [joint_table(analysis.diagnosis, analysis.skeleton) for analysis in analyses]
    rows = [
        [
            escape(lines[0]["joint"].replace("_", " ")),
            *_with_differences([line["AP"] for line in lines]),
            *(number(100 * line["PCK"], 1) for line in lines),
        ]
        for lines in zip(*tables, strict=True)
    ]
    names = letters(len(analyses))
    heads = ["joint", *(f"AP of {name}" for name in names), *(f"{n} - A" for n in names[1:])]
    return section("By joint", table([*heads, *(f"PCK % of {name}" for name in names)], rows))


def comparison_case_section(analyses: Sequence[PoseAnalysis], count: int) -> str:
    """Return pictures of the people on whom each other run differs most from the first."""
    parts = []
    for place, other in enumerate(analyses[1:], start=1):
        pair, name = (analyses[0], other), letter(place)
        gains = sorted(_changes(pair), key=lambda item: item[0])
        for title, chosen in {
            f"{name} is better": gains[::-1][:count],
            f"A is better than {name}" if len(analyses) > 2 else "A is better": gains[:count],
        }.items():
            pictures = [paint for change in chosen if (paint := _paint(pair, name, *change))]
            if pictures:
                parts.append(f'<h3>{title}</h3><div class="cases">{"".join(pictures)}</div>')
    if not parts:
        return ""
    return section("Where they differ most", *parts, note="Ground truth, A, and the other run.")


def _with_differences(values: Sequence[float | None], digits: int = 3) -> list[str]:
    """Return values as text, then those of all but the first less the first."""
    first = values[0]
    changes = [None if first is None or v is None else v - first for v in values[1:]]
    shown = [number(value, digits) for value in values]
    return [*shown, *(number(change, digits, sign=True) for change in changes)]


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


def _paint(pair: Pair, name: str, change: float, image: int, person: int) -> str:
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
    return picture(join_panels(panels, ["truth", "A", name]), caption)


def _case_of(analysis: PoseAnalysis, image: int, person: int) -> Case:
    errors = analysis.diagnosis.images[image]
    owners: Sequence[int] = np.nonzero(errors.truth_index == person)[0].tolist()
    found = owners[0] if owners else -1
    return Case(errors, person, found, float(_person_overlaps(errors)[person]))
