"""The parts of a report page about an MPII run, scored by PCKh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.annotations.mpii import read_mpii
from lib.evaluation.mpii import (
    MpiiTruth,
    head_distances,
    joint_percentages,
    read_mat,
    read_mpii_truth,
)
from lib.report.cases import View
from lib.report.charts import Series, line_chart
from lib.report.page import picture, section, table
from lib.report.run import Run
from lib.structures.drawing import draw_poses, join_panels
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import DataError
from lib.utils.images import read_image
from lib.utils.numbers import number

THRESHOLDS = np.linspace(0, 0.5, 51)


@dataclass
class MpiiAnalysis:
    """Predictions of an MPII run beside the truth.

    Attributes:
        truth: ground truth of N people.
        points: (N, 16, 2) predicted 0-based pixels.
        distances: (N, 16) distances in head sizes.
        files: N paths of images.
    """

    truth: MpiiTruth
    points: np.ndarray
    distances: np.ndarray
    files: list[str]


def analyse_mpii(run: Run) -> MpiiAnalysis | None:
    """Return predictions and truth of an MPII run; None if one of them is not there.

    Raises:
        DataError: a file is damaged, or they do not belong together.
    """
    source = run.source
    if source is None or source.kind != "mpii" or run.results is None:
        return None
    truth_file = source.annotation.with_name(f"gt_{source.annotation.stem}.mat")
    if not truth_file.is_file() or not source.annotation.is_file():
        return None
    truth = read_mpii_truth(truth_file)
    points = read_mat(run.results, ("preds",))["preds"][..., :2] - 1
    people = read_mpii(source.annotation, source.images)
    if len(points) != len(truth) or len(people) != len(truth):
        raise DataError(
            f"{run.results} has {len(points)} people, {source.annotation} {len(people)}, "
            f"{truth_file} {len(truth)}: do they belong together?"
        )
    files = [people.image_path(row) for row in range(len(people))]
    return MpiiAnalysis(truth, points, head_distances(points, truth), files)


def mpii_sections(analysis: MpiiAnalysis, count: int) -> list[str]:
    """Return curve and table by joint, and pictures of the worst and best people."""
    joints = load_skeleton("mpii").joints
    visible = analysis.truth.visible
    half, tenth = (joint_percentages(analysis.distances, visible, at) for at in (0.5, 0.1))
    rows = [
        [
            name.replace("_", " "),
            str(int(visible[:, k].sum())),
            number(half[k], 1),
            number(tenth[k], 1),
        ]
        for k, name in enumerate(joints)
    ]
    curve = [
        float(np.nanmean(joint_percentages(analysis.distances, visible, at))) for at in THRESHOLDS
    ]
    chart = line_chart(
        "joints within the threshold, in percent (mean over joints)",
        [Series("PCKh", THRESHOLDS.tolist(), curve)],
        x_label="threshold in head sizes",
        y_range=(0, 100),
    )
    joint_table = table(("joint", "labelled", "PCKh@0.5", "PCKh@0.1"), rows)
    return [
        section("By joint", f'<div class="charts">{joint_table}{chart}</div>'),
        _case_section(analysis, count),
    ]


def _case_section(analysis: MpiiAnalysis, count: int) -> str:
    visible = analysis.truth.visible
    means = np.where(visible, np.minimum(analysis.distances, 10), 0).sum(axis=1)
    means = np.where(visible.any(axis=1), means / np.maximum(visible.sum(axis=1), 1), np.nan)
    order = np.argsort(np.where(np.isfinite(means), means, -1))
    known = order[np.isfinite(means[order])].tolist()
    parts = []
    for title, people in (("Worst poses", known[::-1]), ("Best poses", known)):
        pictures = _paint(analysis, people, means, count)
        if pictures:
            parts.append(f'<h3>{title}</h3><div class="cases">{"".join(pictures)}</div>')
    note = "Left the ground truth, right the prediction."
    if not parts:
        note = "No image could be read; give --image-path to see people here."
    return section("Cases", *parts, note=note)


def _paint(
    analysis: MpiiAnalysis, people: Sequence[int], means: np.ndarray, count: int
) -> list[str]:
    """Return pictures of the first ``count`` people whose images can be read."""
    skeleton, pictures = load_skeleton("mpii"), []
    for person in people:
        if len(pictures) == count:
            break
        try:
            image = read_image(analysis.files[person])
        except DataError:
            continue
        truth, found = analysis.truth.keypoints[person], analysis.points[person]
        seen = analysis.truth.visible[person]
        view = View(image, np.concatenate([truth[seen], found]))
        panels = [
            draw_poses(view.pixels, view.place(truth)[None], seen[None], skeleton, threshold=1),
            draw_poses(view.pixels, view.place(found)[None], None, skeleton),
        ]
        caption = f"person {person} · mean distance {means[person]:.2f} head sizes"
        pictures.append(picture(join_panels(panels, ["truth", "prediction"]), caption))
    return pictures
