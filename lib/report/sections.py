"""The parts of a report page about poses scored by similarity (COCO, CrowdPose)."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from lib.evaluation.breakdown import all_matches, joint_table, size_table
from lib.evaluation.curves import RECALLS, precision_curves
from lib.evaluation.diagnosis import JOINT_ERRORS
from lib.evaluation.matching import THRESHOLDS
from lib.evaluation.sensitivity import ap_at_sigmas, assumed_joints
from lib.report.cases import (
    RING_COLORS,
    background_cases,
    drawn_cases,
    missed_cases,
    paint_cases,
    pose_cases,
)
from lib.report.charts import Series, bar_chart, line_chart
from lib.report.page import (
    chips,
    legend,
    picture,
    section,
    stacked_bar,
    table,
    tiles,
    warning,
)
from lib.report.run import PoseAnalysis, Run
from lib.utils.numbers import number

KIND_MEANINGS = {
    "good": "good: on the spot",
    "jitter": "jitter: near, not exact",
    "inversion": "inversion: left taken for right",
    "swap": "swap: on another person",
    "miss": "miss: near nothing",
}
COST_NAMES = {
    "jitter": ("jitter", "jitter"),
    "inversion": ("inversion", "inversion"),
    "swap": ("swap", "swap"),
    "miss": ("miss", "miss"),
    "background": ("background finds", "third"),
    "duplicate": ("duplicates", "third"),
    "missed": ("missed people", "third"),
    "scores": ("order of scores", "soft"),
}
CURVES = (0.5, 0.75, 0.9)


def head_section(run: Run) -> str:
    """Return the title and everything the scores depend on."""
    return f"<header><h1>{escape(run.name)}</h1>{chips(conditions(run))}</header>"


def primary_metric(run: Run) -> str:
    """Return the name of the score that a run is known by; of several data sets the first's."""
    known = ("Mean", "whole AP", "AP")
    found = next((name for name in known if name in run.metrics), "")
    return found or next((name for name in run.metrics if name.split("/")[-1] in known), "AP")


def conditions(run: Run) -> dict[str, str]:
    """Return what the scores of a run depend on, as text by name."""
    report = run.report
    entries = {
        "data": report.get("dataset", ""),
        "boxes": report.get("boxes", ""),
        "flip test": _either(report.get("flip"), "yes", "no"),
        "codec": report.get("codec", ""),
        "colours": _either(report.get("color_rgb"), "RGB", "BGR"),
        "weights": report.get("weights", ""),
        "scored": report.get("scored", ""),
    }
    return {name: str(value) for name, value in entries.items() if value not in ("", None)}


def score_section(run: Run, analysis: PoseAnalysis | None) -> str:
    """Return all scores, and a warning where the predictions are of another test."""
    if not run.metrics:
        return section("Scores", note="Not scored yet, or a split without ground truth.")
    names = sorted(run.metrics, key=lambda name: name != primary_metric(run))  # that one first
    parts = [tiles({name: number(run.metrics[name], _digits(run, name)) for name in names})]
    scored = run.metrics.get("AP")
    if analysis and scored is not None and abs(scored - analysis.diagnosis.ap) > 1e-6:
        parts.append(
            warning(
                f"The predictions in {run.results} score AP {analysis.diagnosis.ap:.4f}, not the "
                f"{scored:.4f} of metrics.json: one of the files is of another test."
            )
        )
    boxes = run.report.get("boxes")
    return section("Scores", *parts, note=f"Person boxes: {boxes}." if boxes else "")


def _digits(run: Run, name: str) -> int:
    """Return 1 for the scores of a data set that come in per cent, else 3."""
    data, _, _ = name.rpartition("/")
    own = [value for other, value in run.metrics.items() if other.rpartition("/")[0] == data]
    return 1 if any(value is not None and value > 1 for value in own) else 3


def error_section(analysis: PoseAnalysis) -> str:
    """Return what kinds of errors there are, and what each costs."""
    found = analysis.diagnosis
    counts = found.joint_counts.sum(axis=0)
    total = max(int(counts.sum()), 1)
    shares = {name: int(n) / total for name, n in zip(JOINT_ERRORS, counts, strict=True)}
    spoken = {n: f"{text} ({100 * shares[n]:.1f} %)" for n, text in KIND_MEANINGS.items()}
    people = {
        "people found": str(found.people["matched"]),
        "missed": str(found.people["missed"]),
        "in the background": str(found.people["background"]),
        "duplicates": str(found.people["duplicate"]),
    }
    bars = [
        (COST_NAMES[name][0], value, COST_NAMES[name][1])
        for name, value in sorted(found.costs.items(), key=lambda item: -item[1])
    ]
    return section(
        "Why the score is not higher",
        '<h3>Labelled joints of the people found</h3><div class="wide">',
        stacked_bar(shares),
        "</div>",
        legend(spoken),
        tiles(people),
        "<h3>What each kind of error costs</h3>",
        bar_chart("AP gained if all errors of the kind were mended, one at a time", bars, digits=3),
        note=(
            "Kinds of errors after Ronchi and Perona (2017). A joint is good from a keypoint "
            "similarity of 0.85, and wrong below 0.5."
        ),
    )


def curve_section(analysis: PoseAnalysis) -> str:
    """Return precision over recall at three similarity thresholds."""
    precision, _ = precision_curves(all_matches(analysis.diagnosis))
    series = [_reached(f"OKS {at:.2f}", precision[_threshold(at)]) for at in CURVES]
    area = [Series("AP", THRESHOLDS.tolist(), precision.mean(axis=1).tolist())]
    charts = line_chart(
        "precision over recall", series, x_label="recall", x_range=(0, 1), y_range=(0, 1)
    ) + line_chart(
        "AP over the similarity a match needs", area, x_label="OKS threshold", y_range=(0, 1)
    )
    return section("Precision and recall", f'<div class="charts">{charts}</div>')


def table_section(analysis: PoseAnalysis) -> str:
    """Return the tables by joint and by size."""
    joints = [
        [
            escape(row["joint"].replace("_", " ")),
            str(row["labelled"]),
            number(row["AP"]),
            number(100 * row["PCK"], 1),
            number(row["error"], 1),
            stacked_bar({name: row[name] for name in JOINT_ERRORS}),
        ]
        for row in joint_table(analysis.diagnosis, analysis.skeleton)
    ]
    sizes = [
        [escape(row["size"]), str(row["people"]), *(number(row[n]) for n in ("AP", "AP .5", "AR"))]
        for row in size_table(analysis.diagnosis)
    ]
    return section(
        "By joint and by size",
        table(("joint", "labelled", "AP", "PCK %", "error %", "kinds of errors"), joints),
        legend(KIND_MEANINGS),
        '<p class="soft">AP: the joint alone taken as the pose. PCK: joints of the people found '
        "with a similarity of at least 0.5. Error: median distance from the truth in percent of "
        "the person's size (the square root of its area).</p>",
        "<h3>By size of the person, in pixels</h3>",
        table(("size", "people", "AP", "AP .5", "AR"), sizes),
    )


def sigma_section(analysis: PoseAnalysis) -> str:
    """Return how much AP hangs on the sigmas that it is computed with."""
    values = ap_at_sigmas(analysis.diagnosis, analysis.skeleton)
    names = ("AP at half sigmas", "AP", "AP at double sigmas")
    shown = tiles({name: number(value) for name, value in zip(names, values, strict=True)})
    assumed = assumed_joints(analysis.skeleton)
    doubts = warning(f"Nobody has measured the sigmas of {', '.join(assumed)}.") if assumed else ""
    return section(
        "How much hangs on the sigmas",
        shown,
        doubts,
        note=(
            "Sigmas say how exact annotators are, joint by joint. Between half and double of them "
            "lies what a wrong guess would make of the score."
        ),
    )


def case_section(analysis: PoseAnalysis, count: int, seed: int = 0) -> str:
    """Return pictures of up to ``count`` people of each sort; ``seed`` draws the first."""
    sorts: dict[str, Any] = {
        f"Drawn by lot (seed {seed})": drawn_cases(analysis, count, seed),
        "Worst poses": pose_cases(analysis, count, best=False),
        "Confident finds where nobody is annotated": background_cases(analysis, count),
        "Largest people missed": missed_cases(analysis, count),
        "Best poses": pose_cases(analysis, count, best=True),
    }
    parts = []
    for title, cases in sorts.items():
        pictures = [picture(image, text) for image, text in paint_cases(analysis, cases)]
        if pictures:
            parts.append(f'<h3>{title}</h3><div class="cases">{"".join(pictures)}</div>')
    if not parts:
        return section(
            "Cases", note="No image could be read; give --image-path to see people here."
        )
    rings = {name: text for name, text in KIND_MEANINGS.items() if name != "good"}
    colors = {name: f"rgb({r},{g},{b})" for name, (b, g, r) in RING_COLORS.items()}
    return section(
        "Cases",
        legend(rings, colors),
        *parts,
        note="Left the ground truth, right the prediction; rings mark joints that are not good.",
    )


def settings_section(run: Run) -> str:
    """Return the resolved configuration, folded."""
    if not run.settings:
        return ""
    text = escape(run.settings)
    return section(
        "Settings", f"<details><summary>config.yaml</summary><pre>{text}</pre></details>"
    )


def _reached(name: str, precision: np.ndarray) -> Series:
    """Return the curve up to the highest recall that was reached."""
    stop = int(np.count_nonzero(precision))
    return Series(name, RECALLS[:stop].tolist(), precision[:stop].tolist())


def _threshold(similarity: float) -> int:
    return int(np.argmin(np.abs(THRESHOLDS - similarity)))


def _either(value: Any, yes: str, no: str) -> str:
    """Return the word for a truth value, nothing for an unknown one."""
    return "" if value is None else yes if value else no
