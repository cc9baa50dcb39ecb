"""The people of a test split worth looking at, with the ground truth beside the prediction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from lib.evaluation.diagnosis import JOINT_ERRORS, ImageErrors
from lib.report.run import PoseAnalysis
from lib.structures.drawing import draw_poses, join_panels
from lib.structures.palettes import Color
from lib.utils.errors import DataError

PANEL_HEIGHT = 320
MAX_PANEL_WIDTH = 420
MARGIN = 0.15  # of the person, on every side
FEW_JOINTS = 6
SMALLEST_AREA = 48.0**2  # square pixels; of smaller people a picture shows little
RING_COLORS: dict[str, Color] = {  # blue-green-red, as on dark pages
    "jitter": (233, 180, 86),
    "inversion": (211, 155, 215),
    "swap": (34, 180, 230),
    "miss": (92, 138, 255),
}


@dataclass
class Case:
    """One person to show.

    Attributes:
        errors: everything about its image.
        truth: number of the annotated person, -1 for none.
        found: number of the found person, -1 for none.
        value: what cases are ordered by.
    """

    errors: ImageErrors
    truth: int
    found: int
    value: float


def pose_cases(analysis: PoseAnalysis, count: int, *, best: bool) -> list[Case]:
    """Return matched people with the highest or lowest similarity, one per image."""
    cases = []
    for errors in analysis.diagnosis.images:
        for found, truth in enumerate(errors.truth_index.tolist()):
            if truth < 0 or errors.image.visible[truth].sum() < FEW_JOINTS:
                continue
            if errors.image.areas[truth] >= SMALLEST_AREA:
                cases.append(Case(errors, truth, found, float(errors.overlaps[found, truth])))
    cases.sort(key=lambda case: -case.value if best else case.value)
    return _one_per_image(cases, count)


def drawn_cases(analysis: PoseAnalysis, count: int, seed: int) -> list[Case]:
    """Return annotated people drawn by lot, found or not, one per image: a fair sample."""
    cases = []
    for errors in analysis.diagnosis.images:
        found = {truth: n for n, truth in enumerate(errors.truth_index.tolist()) if truth >= 0}
        labelled = np.nonzero(errors.image.visible.any(axis=1))[0].tolist()
        cases += [Case(errors, truth, found.get(truth, -1), 0.0) for truth in labelled]
    order = np.random.default_rng(seed).permutation(len(cases))
    return _one_per_image([cases[n] for n in order], count)


def background_cases(analysis: PoseAnalysis, count: int) -> list[Case]:
    """Return the most confident poses found where nobody is, one per image."""
    cases = [
        Case(errors, -1, found, float(errors.image.scores[found]))
        for errors in analysis.diagnosis.images
        for found in np.nonzero(errors.background)[0].tolist()
    ]
    return _one_per_image(sorted(cases, key=lambda case: -case.value), count)


def missed_cases(analysis: PoseAnalysis, count: int) -> list[Case]:
    """Return the largest people that nobody was found for, one per image."""
    cases = [
        Case(errors, truth, -1, float(errors.image.areas[truth]))
        for errors in analysis.diagnosis.images
        for truth in np.nonzero(errors.missed)[0].tolist()
        if errors.image.visible[truth].sum() >= FEW_JOINTS
    ]
    return _one_per_image(sorted(cases, key=lambda case: -case.value), count)


def paint_cases(analysis: PoseAnalysis, cases: list[Case]) -> Iterator[tuple[np.ndarray, str]]:
    """Yield a picture and its caption per case; images that cannot be read are passed over."""
    for case in cases:
        try:
            image = analysis.pixels(case.errors.image.image_id)
        except DataError:
            continue
        yield paint_case(analysis, case, image), describe_case(case)


def describe_case(case: Case) -> str:
    """Return one line of text: image, similarity, score, errors."""
    poses = case.errors.image
    parts = [f"image {poses.image_id}"]
    if case.truth >= 0 and case.found >= 0:
        parts.append(f"OKS {case.errors.overlaps[case.found, case.truth]:.2f}")
    if case.found >= 0:
        parts.append(f"score {poses.scores[case.found]:.2f}")
        counts = Counter(case.errors.kinds[case.found].tolist())
        wrong = [
            f"{counts[kind]} {name}"
            for kind, name in enumerate(JOINT_ERRORS)
            if counts[kind] and name != "good"
        ]
        parts += [", ".join(wrong)] if wrong else []
    else:
        parts.append(f"about {int(poses.areas[case.truth] ** 0.5)} px across")
    return " · ".join(parts)


def paint_case(analysis: PoseAnalysis, case: Case, image: np.ndarray) -> np.ndarray:
    """Return the person cut out twice: with its ground truth, and with its prediction.

    Rings mark joints that are not good, in the colours of their kinds.
    """
    view = View(image, case_points(case))
    panels = [
        paint_truth(view, analysis, case),
        paint_found(view, analysis, case),
    ]
    return join_panels(panels, ["truth", "prediction"])


def case_points(case: Case) -> np.ndarray:
    """Return (P, 2) all joints of the case's people, in image pixels."""
    poses = case.errors.image
    points = [np.zeros((0, 2))]
    if case.truth >= 0:
        points.append(poses.truth[case.truth][poses.visible[case.truth]])
    if case.found >= 0:
        points.append(poses.found[case.found])
    return np.concatenate(points)


def paint_truth(view: View, analysis: PoseAnalysis, case: Case) -> np.ndarray:
    """Return the view with the annotated person, with everybody annotated if there is none."""
    poses = case.errors.image
    chosen = [case.truth] if case.truth >= 0 else slice(None)
    joints, visible = view.place(poses.truth[chosen]), poses.visible[chosen]
    return draw_poses(view.pixels, joints, visible, analysis.skeleton, threshold=1)


def paint_found(view: View, analysis: PoseAnalysis, case: Case) -> np.ndarray:
    """Return the view with the found person, with everybody found if there is none."""
    poses = case.errors.image
    chosen = [case.found] if case.found >= 0 else slice(None)
    joints = view.place(poses.found[chosen])
    panel = draw_poses(view.pixels, joints, poses.joint_scores[chosen], analysis.skeleton)
    if case.found >= 0 and case.truth >= 0:
        _ring_errors(panel, joints[0], case.errors.kinds[case.found])
    return panel


class View:
    """A part of an image, enlarged or reduced to a panel.

    Args:
        image: (H, W, 3) picture.
        points: (P, 2) pixels that must be seen.
    """

    def __init__(self, image: np.ndarray, points: np.ndarray) -> None:
        left, top, right, bottom = _region(points, image.shape)
        self.zoom = min(PANEL_HEIGHT / (bottom - top), MAX_PANEL_WIDTH / (right - left))
        size = tuple(max(1, round(side * self.zoom)) for side in (right - left, bottom - top))
        part = image[top:bottom, left:right]
        self.pixels = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        self._origin = np.array([left - 0.5, top - 0.5])

    def place(self, points: np.ndarray) -> np.ndarray:
        """Return image pixels as panel pixels; a pixel is centred on its coordinate in both."""
        return (points - self._origin) * self.zoom - 0.5


def _ring_errors(canvas: np.ndarray, joints: np.ndarray, kinds: np.ndarray) -> None:
    for joint, kind in zip(joints, kinds.tolist(), strict=True):
        name = JOINT_ERRORS[kind]
        if kind > 0 and np.isfinite(joint).all() and np.abs(joint).max() < 1e4:
            x, y = np.round(joint).astype(int).tolist()
            cv2.circle(canvas, (x, y), 8, RING_COLORS[name], 2, cv2.LINE_AA)


def _region(points: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of the points and some margin, within the picture."""
    height, width = shape[:2]
    low, high = points.min(axis=0), points.max(axis=0)
    margin = MARGIN * float((high - low).max()) + 8
    left = int(np.clip(low[0] - margin, 0, width - 2))
    top = int(np.clip(low[1] - margin, 0, height - 2))
    right = int(np.clip(high[0] + margin, left + 2, width))
    bottom = int(np.clip(high[1] + margin, top + 2, height))
    return left, top, right, bottom


def _one_per_image(cases: list[Case], count: int) -> list[Case]:
    """Return the first ``count`` cases of different images."""
    chosen: dict[int, Case] = {}
    for case in cases:
        chosen.setdefault(case.errors.image.image_id, case)
    return list(chosen.values())[:count]
