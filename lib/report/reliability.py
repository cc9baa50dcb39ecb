"""The part of a report page about what scores mean."""

from __future__ import annotations

from html import escape

import numpy as np

from lib.evaluation.confidence import Events, joint_events, person_events, reliability
from lib.report.charts import Series, line_chart
from lib.report.page import section, table, tiles
from lib.report.run import PoseAnalysis
from lib.utils.numbers import number

EVEN = Series("a score that means what it says", [0.0, 1.0], [0.0, 1.0])


def reliability_section(analysis: PoseAnalysis) -> str:
    """Return reliability diagrams and calibration errors of joints and people."""
    images = analysis.diagnosis.images
    joints, people = joint_events(images), person_events(images)
    errors = {
        "joints": number(reliability(joints.scores, joints.right).error),
        "people": number(reliability(people.scores, people.right).error),
    }
    charts = diagram("joints", joints) + diagram("people", people)
    rows = []
    for k, name in enumerate(analysis.skeleton.joints):
        mine = joints.select(joints.group == k)
        found = reliability(mine.scores, mine.right)
        means = [float(v.mean()) if len(v) else None for v in (mine.scores, mine.right)]
        cells = [number(value) for value in (*means, found.error)]
        rows.append([escape(name.replace("_", " ")), str(len(mine.scores)), *cells])
    return section(
        "Does a score mean what it says?",
        tiles({f"calibration error, {name}": value for name, value in errors.items()}),
        f'<div class="charts">{charts}</div>',
        "<details><summary>by joint</summary>",
        table(("joint", "found", "mean score", "right", "calibration error"), rows),
        "</details>",
        note=(
            "A joint or person is right from a similarity of 0.5. The calibration error is the "
            "mean distance of scores from the share of right ones, over 15 bins. "
            "tools/analyse/calibrate.py mends it."
        ),
    )


def diagram(name: str, events: Events) -> str:
    """Return the share of right ones over the score, beside the diagonal."""
    found = reliability(events.scores, events.right)
    series = [Series(name, found.score.tolist(), np.asarray(found.right).tolist()), EVEN]
    return line_chart(
        f"share of right {name} over their score",
        series,
        x_label="score",
        x_range=(0, 1),
        y_range=(0, 1),
    )
