"""The page of ``tools/analyse/score.py``: result files against one ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from lib.evaluation.bootstrap import Difference
from lib.evaluation.scoring import Scored
from lib.report.comparison import comparison_error_section, comparison_joint_section
from lib.report.page import chips, render_page, section, table
from lib.report.reliability import reliability_section
from lib.report.run import PoseAnalysis
from lib.report.sections import curve_section, error_section, table_section
from lib.utils.files import short_names
from lib.utils.numbers import number

Outcome = tuple[Scored, Difference]  # a file after the first, and how it differs from the first


def score_page(truth: str, files: Sequence[Scored], outcomes: Sequence[Outcome]) -> str:
    """Return the page as HTML.

    Args:
        truth: path of the ground truth.
        files: scored result files; the first is what the others are compared to.
        outcomes: the others, and how they differ from the first.
    """
    title = " and ".join(short_names([one.file for one in files]))
    facts = {"ground truth": truth, "metric": files[0].metric}
    parts = [
        f"<header><h1>{escape(title)}</h1>{chips(facts)}</header>",
        section("Scores", table(*score_table(files)), *_verdicts(files[0], outcomes)),
    ]
    pairs = [(files[0], other) for other, _ in outcomes]
    if len(files) == 1:
        parts += _details(files[0])
    for first, second in pairs:
        if first.diagnosis is not None and second.diagnosis is not None:
            pair = _analysis(first), _analysis(second)
            parts += [comparison_error_section(pair), comparison_joint_section(pair)]
    return render_page(title, parts)


def score_table(files: Sequence[Scored]) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows of plain text: a number per row, a file per column."""
    names = list(dict.fromkeys(name for one in files for name in one.numbers))
    heads = ["", *short_names([one.file for one in files])]
    return heads, [[n, *(number(one.numbers.get(n), 4) for one in files)] for n in names]


def outcome_sentence(first: Scored, second: Scored, difference: Difference) -> str:
    """Return the outcome of the bootstrap as a sentence."""
    sure = "a real difference" if difference.low * difference.high > 0 else "may be luck"
    return (
        f"{first.compared[0]} of {second.file} minus {first.file}: {difference.ap:+.4f}, 95 % "
        f"interval {difference.low:+.4f} to {difference.high:+.4f} ({sure}); better in "
        f"{100 * difference.better:.1f} % of the resamples."
    )


def _verdicts(first: Scored, outcomes: Sequence[Outcome]) -> list[str]:
    return [
        f"<p><b>{escape(outcome_sentence(first, second, difference))}</b></p>"
        for second, difference in outcomes
    ]


def _details(one: Scored) -> list[str]:
    """Return the parts about a file that stands alone."""
    if one.diagnosis is not None:
        analysis = _analysis(one)
        return [
            error_section(analysis),
            curve_section(analysis),
            table_section(analysis),
            reliability_section(analysis),
        ]
    heads = list(one.joints[0])
    rows = [
        [escape(str(row[heads[0]])), str(row[heads[1]]), *(number(row[h], 1) for h in heads[2:])]
        for row in one.joints
    ]
    return [section("By joint", table(heads, rows))]


def _analysis(one: Scored) -> PoseAnalysis:
    if one.diagnosis is None:
        raise ValueError(f"{one.file} has no diagnosis")
    return PoseAnalysis(one.diagnosis, one.skeleton, {})
